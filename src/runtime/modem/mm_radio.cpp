// modem: ModemManager over the system bus. Keeps a picture of its modems, calls and messages; waits
// for nothing, and outlives both.
#include "runtime/modem/mm_radio.h"

#include <algorithm>
#include <vector>

#include "runtime/modem/mm_names.h"

namespace pmos::modem {

using namespace std::chrono_literals;

namespace {

constexpr auto kUsual = 25s;
constexpr auto kRetry = 1s;

bool is_below(std::string_view path, std::string_view prefix) {
    return path.starts_with(prefix) && path.size() > prefix.size() + 1 &&
           path[prefix.size()] == '/';
}

const char* interface_of(std::string_view path) {
    if (is_below(path, mm::kCallPrefix)) return mm::kCall;
    if (is_below(path, mm::kBearerPrefix)) return mm::kBearer;
    return is_below(path, mm::kTextPrefix) ? mm::kText : nullptr;
}

}  // namespace

void MmRadio::begin(Listener& listener) {
    listener_ = &listener;
    if (!connect()) connect_later();
}

void MmRadio::connect_later() {
    later_ = loop_.after(kRetry, [this] {
        if (!connect()) connect_later();
    });
}

bool MmRadio::connect() {
    sd_bus* bus = nullptr;
    int r = 0;
    if (address_.empty()) {
        r = sd_bus_open_system(&bus);
    } else {
        r = sd_bus_new(&bus);
        if (r >= 0) r = sd_bus_set_address(bus, address_.c_str());
        if (r >= 0) r = sd_bus_set_bus_client(bus, 1);
        if (r >= 0) r = sd_bus_start(bus);
    }
    BusPtr owned(bus);
    if (r >= 0) r = sd_bus_attach_event(bus, loop_.get(), SD_EVENT_PRIORITY_NORMAL);
    if (r >= 0)
        r = sd_bus_match_signal(bus, nullptr, nullptr, "/org/freedesktop/DBus/Local",
                                "org.freedesktop.DBus.Local", "Disconnected", on_disconnected,
                                this);
    if (r >= 0)
        r = sd_bus_add_match_async(bus, nullptr,
                                   "type='signal',sender='org.freedesktop.DBus',"
                                   "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                                   "arg0='org.freedesktop.ModemManager1'",
                                   on_owner, nullptr, this);
    if (r >= 0)
        r = sd_bus_add_match_async(bus, nullptr,
                                   "type='signal',sender='org.freedesktop.ModemManager1',"
                                   "path_namespace='/org/freedesktop/ModemManager1'",
                                   on_signal, nullptr, this);
    if (r < 0) return false;
    bus_ = std::move(owned);
    look_for_it();
    return true;
}

int MmRadio::on_disconnected(sd_bus_message*, void* userdata, sd_bus_error*) {
    auto& self = *static_cast<MmRadio*>(userdata);
    // Not from within its own dispatch.
    self.loop_.soon([&self] {
        self.bus_.reset();
        self.went();
        self.connect_later();
    });
    return 0;
}

void MmRadio::look_for_it() {
    sd_bus_message* m = nullptr;
    if (sd_bus_message_new_method_call(bus_.get(), &m, "org.freedesktop.DBus",
                                       "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                       "NameHasOwner") < 0)
        return;
    MessagePtr request(m);
    sd_bus_message_append(m, "s", mm::kService);
    ask(std::move(request), kUsual, [this](Result<sd_bus_message*> answer) {
        int has = 0;
        if (answer && sd_bus_message_read(*answer, "b", &has) > 0 && has != 0) came();
    });
}

int MmRadio::on_owner(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char *name = nullptr, *before = nullptr, *after = nullptr;
    if (sd_bus_message_read(message, "sss", &name, &before, &after) < 0) return 0;
    auto& self = *static_cast<MmRadio*>(userdata);
    self.went();
    if (*after != '\0') self.came();
    return 0;
}

void MmRadio::came() {
    present_ = true;
    read_all();
}

// What it called by names of its own is gone with it.
void MmRadio::went() {
    const bool was = std::exchange(present_, false);
    ++life_;
    lines_.clear();
    sims_.clear();
    sim_numbers_.clear();
    asked_.clear();
    forget_gone({});
    if (was) listener_->lines_changed();
}

int MmRadio::on_signal(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto& self = *static_cast<MmRadio*>(userdata);
    const char* path = sd_bus_message_get_path(message);
    if (path == nullptr || !self.present_) return 0;
    if (interface_of(path) != nullptr)
        self.read_object(path);
    else
        self.read_all();
    return 0;
}

MessagePtr MmRadio::request(const std::string& path, const char* interface, const char* member) {
    sd_bus_message* m = nullptr;
    if (!bus_ || sd_bus_message_new_method_call(bus_.get(), &m, mm::kService, path.c_str(),
                                                interface, member) < 0)
        return nullptr;
    // It is not started by who only asks.
    sd_bus_message_set_auto_start(m, 0);
    return MessagePtr(m);
}

void MmRadio::ask(MessagePtr request, std::chrono::seconds patience, AnswerMessage answer) {
    if (!bus_ || !request)
        return loop_.soon([answer = std::move(answer)]() mutable {
            answer(fail(Code::unreachable, "there is no system bus"));
        });
    call_async(loop_, bus_.get(), request.get(),
               static_cast<std::uint64_t>(std::chrono::microseconds(patience).count()),
               std::move(answer));
}

// All modems with what they have; asked again where something changed meanwhile.
void MmRadio::read_all() {
    if (const auto [it, fresh] = asked_.try_emplace(mm::kPath, false); !fresh) {
        it->second = true;
        return;
    }
    ask(request(mm::kPath, mm::kObjectManager, "GetManagedObjects"), kUsual,
        [this, life = life_](Result<sd_bus_message*> answer) {
            const auto asked = asked_.find(mm::kPath);
            if (life != life_ || asked == asked_.end()) return;
            const bool again = asked->second;
            asked_.erase(asked);
            std::map<std::string, ModemObject> objects;
            if (answer && read_objects(*answer, objects) >= 0) take(std::move(objects));
            if (again) return read_all();
            if (!answer)
                later_ = loop_.after(kRetry, [this] {
                    if (present_) read_all();
                });
        });
}

void MmRadio::take(std::map<std::string, ModemObject> objects) {
    std::map<std::string, Line> lines;
    std::map<std::string, std::string> listed;
    for (auto& [path, object] : objects) {
        for (const auto& call : object.calls)
            if (is_below(call, mm::kCallPrefix)) listed[call] = path;
        for (const auto& text : object.texts)
            if (is_below(text, mm::kTextPrefix)) listed[text] = path;
        for (const auto& bearer : object.bearers)
            if (is_below(bearer, mm::kBearerPrefix)) listed[bearer] = path;
        if (sims_[path] != object.sim) {
            sims_[path] = object.sim;
            sim_numbers_.erase(path);
            if (object.sim.size() > 1) read_emergency(path, object.sim);
        }
        object.line.emergency = sim_numbers_[path];
        lines.emplace(path, std::move(object.line));
    }
    std::erase_if(sims_, [&](const auto& one) { return !lines.contains(one.first); });
    std::erase_if(sim_numbers_, [&](const auto& one) { return !lines.contains(one.first); });
    const bool changed = lines != lines_;
    lines_ = std::move(lines);
    const auto before = listed_;
    forget_gone(listed);
    if (changed) listener_->lines_changed();
    for (const auto& [path, line] : listed)
        if (!before.contains(path)) read_object(path);
}

void MmRadio::forget_gone(const std::map<std::string, std::string>& listed) {
    const auto before = std::exchange(listed_, listed);
    for (const auto& [path, line] : before) {
        if (listed.contains(path)) continue;
        if (calls_.erase(path) != 0) listener_->call_gone(path);
        if (texts_.erase(path) != 0) listener_->text_gone(path);
        if (bearers_.erase(path) != 0) listener_->bearer_gone(path);
    }
}

void MmRadio::read_object(const std::string& path) {
    if (!listed_.contains(path)) return read_all();
    if (const auto [it, fresh] = asked_.try_emplace(path, false); !fresh) {
        it->second = true;
        return;
    }
    auto call = request(path, mm::kProperties, "GetAll");
    if (call) sd_bus_message_append(call.get(), "s", interface_of(path));
    ask(std::move(call), kUsual, [this, path, life = life_](Result<sd_bus_message*> answer) {
        const auto asked = asked_.find(path);
        if (life != life_ || asked == asked_.end()) return;
        const bool again = asked->second;
        asked_.erase(asked);
        if (answer) took_object(path, *answer);
        if (again) read_object(path);
    });
}

void MmRadio::took_object(const std::string& path, sd_bus_message* answer) {
    const auto line = listed_.find(path);
    if (line == listed_.end()) return;
    const auto take = [&](auto& all, auto read, void (Listener::*changed)(const std::string&)) {
        typename std::remove_reference_t<decltype(all)>::mapped_type now;
        if (read(answer, now) < 0) return;
        now.line = line->second;
        const auto [it, fresh] = all.try_emplace(path);
        if (!fresh && it->second == now) return;
        it->second = std::move(now);
        (listener_->*changed)(path);
    };
    const std::string_view interface = interface_of(path);
    if (interface == mm::kCall) return take(calls_, read_call, &Listener::call_changed);
    if (interface == mm::kBearer) return take(bearers_, read_bearer, &Listener::bearer_changed);
    take(texts_, read_text, &Listener::text_changed);
}

void MmRadio::read_emergency(const std::string& line, const std::string& sim) {
    auto call = request(sim, mm::kProperties, "GetAll");
    if (call) sd_bus_message_append(call.get(), "s", mm::kSim);
    ask(std::move(call), kUsual, [this, line, sim](Result<sd_bus_message*> answer) {
        std::vector<std::string> numbers;
        const auto known = sims_.find(line);
        if (!answer || known == sims_.end() || known->second != sim ||
            read_sim(*answer, numbers) < 0)
            return;
        std::erase_if(numbers, [](const auto& number) { return !is_dialable(number); });
        sim_numbers_[line] = numbers;
        if (const auto it = lines_.find(line); it != lines_.end())
            it->second.emergency = std::move(numbers);
        listener_->lines_changed();
    });
}

}  // namespace pmos::modem
