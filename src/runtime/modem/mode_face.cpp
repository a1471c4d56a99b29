// modem: ModemManager as one mode sees it: a part of its interface, over what the broker lets the
// mode have. Decides nothing.
#include "runtime/modem/mode_face.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <set>

#include "runtime/modem/mm_names.h"
#include "runtime/peer/bus_driver.h"

namespace pmos::modem {
namespace {

using Kind = ModeFace::Kind;

constexpr std::size_t kMostPeers = 16;
constexpr unsigned kMostAwaited = 32;

constexpr const char* prefix_of(Kind kind) {
    return kind == Kind::line   ? mm::kModemPrefix
           : kind == Kind::call ? mm::kCallPrefix
           : kind == Kind::text ? mm::kTextPrefix
                                : mm::kBearerPrefix;
}

template <Kind kind>
int find_object(sd_bus*, const char* path, const char*, void* userdata, void** found,
                sd_bus_error*) {
    auto* object = static_cast<ModeFace*>(userdata)->object_at(path);
    *found = object;
    return object != nullptr && object->kind == kind ? 1 : 0;
}

// Of what GetManagedObjects tells: modems alone, as ModemManager does.
int list_lines(sd_bus*, const char*, void* userdata, char*** nodes, sd_bus_error*) {
    const View* view = static_cast<ModeFace*>(userdata)->view();
    const std::size_t count = view == nullptr ? 0 : view->lines.size();
    // sd-bus frees it with free(3).
    auto** list = static_cast<char**>(::calloc(count + 1, sizeof(char*)));
    if (list == nullptr) return -ENOMEM;
    std::size_t n = 0;
    if (view != nullptr)
        for (const auto& [path, number] : view->lines)
            list[n++] = ::strdup(object_path(Kind::line, number).c_str());
    *nodes = list;
    return 1;
}

}  // namespace

std::string object_path(Kind kind, unsigned number) {
    return fmt::format("{}/{}", prefix_of(kind), number);
}

const OwnCall* ModeFace::Object::call() const {
    const View* view = face.view();
    if (view == nullptr) return nullptr;
    const auto it = view->calls.find(number);
    return it == view->calls.end() ? nullptr : &it->second;
}

const OwnText* ModeFace::Object::text() const {
    const View* view = face.view();
    if (view == nullptr) return nullptr;
    const auto it = view->texts.find(number);
    return it == view->texts.end() ? nullptr : &it->second;
}

const RadioBearer* ModeFace::Object::bearer() const {
    const View* view = face.view();
    if (view == nullptr) return nullptr;
    const auto own = view->bearers.find(number);
    if (own == view->bearers.end()) return nullptr;
    const auto& all = face.broker().radio().bearers();
    const auto it = all.find(own->second.path);
    return it == all.end() ? nullptr : &it->second;
}

const Line* ModeFace::Object::radio_line() const {
    const auto& lines = face.broker().radio().lines();
    const auto it = lines.find(line);
    return it == lines.end() ? nullptr : &it->second;
}

Result<std::unique_ptr<ModeFace>> ModeFace::make(event::EventLoop& loop, Broker& broker,
                                                 const std::string& mode, const std::string& dir) {
    std::unique_ptr<ModeFace> made(new ModeFace(broker, mode));
    peer::Face::Rules rules;
    rules.mode = 0666;
    rules.most_peers = kMostPeers;
    rules.guarded = true;
    rules.admits = [self = made.get()](const ucred& who) {
        const View* view = self->view();
        return view != nullptr && who.uid >= view->rights.id_start &&
               who.uid - view->rights.id_start < view->rights.id_count;
    };
    rules.prepare = [self = made.get()](peer::Face::Peer& peer) { return self->prepare(peer); };
    PMOS_ASSIGN(made->face_, peer::Face::make(loop, dir + "/" + kModeSocket, std::move(rules)));
    made->lines_changed();
    return made;
}

int ModeFace::prepare(peer::Face::Peer& peer) {
    sd_bus* bus = peer.bus.get();
    struct Entry {
        const char *prefix, *interface;
        const sd_bus_vtable* vtable;
        sd_bus_object_find_t find;
    };
    const std::array entries{
        Entry{mm::kModemPrefix, mm::kModem, line_vtable(), find_object<Kind::line>},
        Entry{mm::kModemPrefix, mm::kModem3gpp, network_vtable(), find_object<Kind::line>},
        Entry{mm::kModemPrefix, mm::kMessaging, messaging_vtable(), find_object<Kind::line>},
        Entry{mm::kModemPrefix, mm::kVoice, voice_vtable(), find_object<Kind::line>},
        Entry{mm::kModemPrefix, mm::kSimple, simple_vtable(), find_object<Kind::line>},
        Entry{mm::kBearerPrefix, mm::kBearer, bearer_vtable(), find_object<Kind::bearer>},
        Entry{mm::kCallPrefix, mm::kCall, call_vtable(), find_object<Kind::call>},
        Entry{mm::kTextPrefix, mm::kText, text_vtable(), find_object<Kind::text>}};
    int r = sd_bus_set_sender(bus, peer::kOwnName);
    if (r >= 0) r = peer::add_bus_driver(peer, mm::kService);
    for (const auto& entry : entries)
        if (r >= 0)
            r = sd_bus_add_fallback_vtable(bus, nullptr, entry.prefix, entry.interface,
                                           entry.vtable, entry.find, this);
    if (r >= 0) r = sd_bus_add_node_enumerator(bus, nullptr, mm::kModemPrefix, list_lines, this);
    if (r >= 0) r = sd_bus_add_object_manager(bus, nullptr, mm::kPath);
    return r;
}

ModeFace::Object* ModeFace::remember(Kind kind, unsigned number, std::string line) {
    const auto [it, fresh] =
        objects_.try_emplace({kind, number}, Object{*this, kind, number, std::move(line)});
    return &it->second;
}

ModeFace::Object* ModeFace::object_at(std::string_view path) {
    const View* view = this->view();
    if (view == nullptr) return nullptr;
    for (const auto kind : {Kind::line, Kind::call, Kind::text, Kind::bearer}) {
        const std::string_view prefix = prefix_of(kind);
        if (!path.starts_with(prefix) || path.size() < prefix.size() + 2) continue;
        const auto digits = path.substr(prefix.size() + 1);
        unsigned number = 0;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), number);
        if (path[prefix.size()] != '/' || error != std::errc() ||
            end != digits.data() + digits.size() || object_path(kind, number) != path)
            continue;
        if (kind == Kind::call && view->calls.contains(number))
            return remember(kind, number, view->calls.at(number).line);
        if (kind == Kind::text && view->texts.contains(number))
            return remember(kind, number, view->texts.at(number).line);
        if (kind == Kind::bearer && view->bearers.contains(number))
            return remember(kind, number, view->bearers.at(number).line);
        if (kind == Kind::line)
            for (const auto& [line, own] : view->lines)
                if (own == number) return remember(kind, number, line);
    }
    return nullptr;
}

std::string ModeFace::line_path(const std::string& line) const {
    const View* view = this->view();
    if (view == nullptr) return "";
    const auto it = view->lines.find(line);
    return it == view->lines.end() ? "" : object_path(Kind::line, it->second);
}

void ModeFace::lines_changed() {
    const View* view = this->view();
    if (view == nullptr) return;
    std::set<unsigned> there;
    for (const auto& [line, number] : view->lines) {
        there.insert(number);
        const auto& now = broker_.radio().lines().at(line);
        const auto path = object_path(Kind::line, number);
        const auto [it, fresh] = shown_.try_emplace(number, now);
        if (fresh) {
            face_->each([&](sd_bus* bus) { sd_bus_emit_object_added(bus, path.c_str()); });
        } else if (it->second != now) {
            it->second = now;
            face_->each([&](sd_bus* bus) {
                sd_bus_emit_properties_changed(bus, path.c_str(), mm::kModem, "State",
                                               "StateFailedReason", "SignalQuality", "OwnNumbers",
                                               "AccessTechnologies", nullptr);
                sd_bus_emit_properties_changed(bus, path.c_str(), mm::kModem3gpp,
                                               "RegistrationState", "OperatorName", "OperatorCode",
                                               nullptr);
            });
        }
    }
    std::erase_if(shown_, [&](const auto& one) {
        if (there.contains(one.first)) return false;
        const auto path = object_path(Kind::line, one.first);
        face_->each([&](sd_bus* bus) {
            sd_bus_emit_interfaces_removed(bus, path.c_str(), mm::kModem, mm::kModem3gpp,
                                           mm::kMessaging, mm::kVoice, mm::kSimple, nullptr);
        });
        objects_.erase({Kind::line, one.first});
        return true;
    });
}

// Said by the modem that the object is on, as ModemManager says it.
void ModeFace::tell(Kind kind, unsigned number, const char* member, bool with_flag, bool flag) {
    const auto known = objects_.find({kind, number});
    if (known == objects_.end()) return;
    const auto path = object_path(kind, number), line = line_path(known->second.line);
    if (line.empty()) return;
    const bool call = kind == Kind::call;
    const char* interface = call ? mm::kVoice : mm::kMessaging;
    face_->each([&](sd_bus* bus) {
        if (with_flag)
            sd_bus_emit_signal(bus, line.c_str(), interface, member, "ob", path.c_str(),
                               static_cast<int>(flag));
        else
            sd_bus_emit_signal(bus, line.c_str(), interface, member, "o", path.c_str());
        sd_bus_emit_properties_changed(bus, line.c_str(), interface, call ? "Calls" : "Messages",
                                       nullptr);
    });
}

void ModeFace::call_added(unsigned call) {
    if (object_at(object_path(Kind::call, call)) == nullptr) return;
    tell(Kind::call, call, "CallAdded", false, false);
}

void ModeFace::call_changed(unsigned call, CallState before) {
    const auto* object = object_at(object_path(Kind::call, call));
    const OwnCall* now = object == nullptr ? nullptr : object->call();
    if (now == nullptr) return;
    const auto path = object_path(Kind::call, call);
    face_->each([&](sd_bus* bus) {
        sd_bus_emit_signal(bus, path.c_str(), mm::kCall, "StateChanged", "iiu",
                           static_cast<std::int32_t>(before), static_cast<std::int32_t>(now->state),
                           static_cast<std::uint32_t>(now->reason));
        sd_bus_emit_properties_changed(bus, path.c_str(), mm::kCall, "State", "StateReason",
                                       nullptr);
    });
}

void ModeFace::call_removed(unsigned call) {
    tell(Kind::call, call, "CallDeleted", false, false);
    objects_.erase({Kind::call, call});
}

void ModeFace::text_added(unsigned text) {
    const auto* object = object_at(object_path(Kind::text, text));
    if (object != nullptr && object->text() != nullptr)
        tell(Kind::text, text, "Added", true, object->text()->incoming);
}

void ModeFace::text_changed(unsigned text) {
    const auto path = object_path(Kind::text, text);
    face_->each([&](sd_bus* bus) {
        sd_bus_emit_properties_changed(bus, path.c_str(), mm::kText, "State", "Text", "Number",
                                       "Timestamp", nullptr);
    });
}

void ModeFace::text_removed(unsigned text) {
    tell(Kind::text, text, "Deleted", false, false);
    objects_.erase({Kind::text, text});
}

void ModeFace::bearers_changed(const std::string& line) {
    const auto path = line_path(line);
    if (path.empty()) return;
    face_->each([&](sd_bus* bus) {
        sd_bus_emit_properties_changed(bus, path.c_str(), mm::kModem, "Bearers", nullptr);
    });
}

void ModeFace::bearer_added(unsigned bearer) {
    if (const auto* object = object_at(object_path(Kind::bearer, bearer)); object != nullptr)
        bearers_changed(object->line);
}

void ModeFace::bearer_changed(unsigned bearer) {
    const auto path = object_path(Kind::bearer, bearer);
    if (object_at(path) == nullptr) return;
    face_->each([&](sd_bus* bus) {
        sd_bus_emit_properties_changed(bus, path.c_str(), mm::kBearer, "Connected", nullptr);
    });
}

void ModeFace::bearer_removed(unsigned bearer) {
    const auto gone = objects_.extract({Kind::bearer, bearer});
    if (!gone.empty()) bearers_changed(gone.mapped().line);
}

bool ModeFace::await(sd_bus_error* error) {
    if (*awaited_ >= kMostAwaited) {
        sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "too many requests at once");
        return false;
    }
    ++*awaited_;
    return true;
}

bool ModeFace::defer(sd_bus_message* message, Done& done, sd_bus_error* error) {
    if (!await(error)) return false;
    done = [awaited = awaited_, kept = share(message)](Result<> result) {
        --*awaited;
        if (!result) return reply_error(kept.get(), result.error());
        sd_bus_reply_method_return(kept.get(), nullptr);
    };
    return true;
}

bool ModeFace::defer(sd_bus_message* message, Kind kind, Answer<unsigned>& answer,
                     sd_bus_error* error) {
    if (!await(error)) return false;
    answer = [awaited = awaited_, kept = share(message), kind](Result<unsigned> result) {
        --*awaited;
        if (!result) return reply_error(kept.get(), result.error());
        sd_bus_reply_method_return(kept.get(), "o", object_path(kind, *result).c_str());
    };
    return true;
}

}  // namespace pmos::modem
