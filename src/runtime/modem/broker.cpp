// modem: who has which calls and messages, and what each mode may do with them. Speaks to a Radio
// on one side and to the faces on the other; knows no bus.
#include "runtime/modem/broker.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace pmos::modem {
namespace {

// Until somebody listens.
class Nobody : public Broker::Listener {
  public:
    void modes_changed() override {}
    void lines_changed(const std::string&) override {}
    void call_added(const std::string&, unsigned) override {}
    void call_changed(const std::string&, unsigned, CallState) override {}
    void call_removed(const std::string&, unsigned) override {}
    void text_added(const std::string&, unsigned) override {}
    void text_changed(const std::string&, unsigned) override {}
    void text_removed(const std::string&, unsigned) override {}
    void bearer_added(const std::string&, unsigned) override {}
    void bearer_changed(const std::string&, unsigned) override {}
    void bearer_removed(const std::string&, unsigned) override {}
    void call_came(const std::string&) override {}
    void text_came(const std::string&) override {}
    void emergency_changed() override {}
    void owner_not_kept(const Error&) override {}
};
Nobody nobody;

}  // namespace

Broker::Broker(EventLoop& loop, Radio& radio, Owners owners, std::string wish)
    : loop_(loop),
      radio_(radio),
      owners_(std::move(owners)),
      listener_(&nobody),
      emergency_(loop, radio, *this, std::move(wish)) {}

const View* Broker::view(const std::string& mode) const {
    const auto it = views_.find(mode);
    return it == views_.end() ? nullptr : &it->second;
}

View* Broker::own(const std::string& mode) {
    const auto it = views_.find(mode);
    return it == views_.end() ? nullptr : &it->second;
}

bool Broker::is_emergency_number(const std::string& number) const {
    if (is_emergency(number, table_.emergency)) return true;
    const auto& lines = radio_.lines();
    const auto has_none = [](const auto& line) {
        return line.second.state == LineState::failed && line.second.failed_reason == kNoSim;
    };
    // Where one has a SIM it may be that one that dials, and to it they are numbers like others.
    if (is_emergency_without_sim(number) && !lines.empty() && std::ranges::all_of(lines, has_none))
        return true;
    return std::ranges::any_of(
        lines, [&](const auto& line) { return is_emergency(number, line.second.emergency); });
}

void Broker::set_table(Table table) {
    const bool first = !std::exchange(table_known_, true);
    table_ = std::move(table);
    for (const auto& mode : keys_of(views_)) {
        const auto* rights = find_mode(table_, mode);
        View& view = views_.at(mode);
        if (rights != nullptr && has_any(*rights)) {
            take_over(view, *rights);
            continue;
        }
        drop(view, Service::voice);
        drop(view, Service::sms);
        drop(view, Service::data);
        views_.erase(mode);
    }
    for (const auto& rights : table_.modes)
        if (has_any(rights) && !views_.contains(rights.name)) views_[rights.name].rights = rights;
    listener_->modes_changed();
    switch_on();
    for (auto& [mode, view] : views_) show_lines(view);
    for (const auto& path : keys_of(radio_.texts())) judge_text(path);
    for (const auto& path : keys_of(radio_.bearers())) judge_bearer(path);
    if (first)
        for (const auto& path : keys_of(radio_.calls())) call_changed(path);
}

void Broker::take_over(View& view, const ModeRights& rights) {
    const auto before = std::exchange(view.rights, rights);
    if (before.voice && !rights.voice) drop(view, Service::voice);
    if (before.sms && !rights.sms) drop(view, Service::sms);
    if (before.data && !rights.data) drop(view, Service::data);
    if (before.running && !rights.running) end_calls(view);
}

// Its programs are gone, and nobody is left to speak. What rings may be why it is started again.
void Broker::end_calls(View& view) {
    for (const auto& [number, call] : view.calls)
        if (is_live(call) && !call.emergency && call.state != CallState::ringing_in &&
            call.state != CallState::waiting)
            radio_.hang_up(call.path, [](const Result<>&) {});
}

// An emergency call goes on; the host can end it.
void Broker::drop(View& view, Service service) {
    const auto mode = view.rights.name;
    if (service == Service::voice) {
        for (const auto number : keys_of(view.calls)) {
            const auto& call = view.calls.at(number);
            if (call.emergency && emergency_.is_of(mode, number)) continue;
            if (is_live(call)) radio_.hang_up(call.path, [](const Result<>&) {});
            view.calls.erase(number);
            listener_->call_removed(mode, number);
        }
        return;
    }
    if (service == Service::data) {
        for (const auto number : keys_of(view.bearers)) take_bearer({mode, number});
        return;
    }
    for (const auto number : keys_of(view.texts)) {
        view.texts.erase(number);
        listener_->text_removed(mode, number);
    }
}

void Broker::show_lines(View& view) {
    for (const auto& path : keys_of(view.lines)) {
        const auto line = radio_.lines().find(path);
        if (line == radio_.lines().end() || !may_use(table_, view.rights.name, line->second.names))
            view.lines.erase(path);
    }
    for (const auto& [path, line] : radio_.lines())
        if (!view.lines.contains(path) && may_use(table_, view.rights.name, line.names))
            view.lines[path] = view.next_line++;
    listener_->lines_changed(view.rights.name);
}

// One that is there and does nothing is switched on, once, for modes that something may come for:
// what is switched off later stays so.
void Broker::switch_on() {
    const auto receives = [](const auto& mode) {
        const auto& rights = mode.second.rights;
        return rights.sms || rights.voice || rights.data;
    };
    if (std::ranges::none_of(views_, receives)) return;
    for (const auto& [path, line] : radio_.lines())
        if (line.state == LineState::disabled && switched_on_.insert(path).second)
            radio_.enable(path, [](const Result<>&) {});
}

void Broker::lines_changed() {
    switch_on();
    std::erase_if(switched_on_,
                  [this](const auto& path) { return !radio_.lines().contains(path); });
    for (auto& [mode, view] : views_) show_lines(view);
    for (const auto& path : keys_of(radio_.texts())) judge_text(path);
    for (const auto& path : keys_of(radio_.bearers())) judge_bearer(path);
    emergency_.look();
    listener_->emergency_changed();
}

void Broker::emergency_changed() {
    listener_->emergency_changed();
    if (emergency_.phase() == Emergency::Phase::ended) emergency_is_over();
}

std::size_t Broker::nobodys_calls() const {
    return static_cast<std::size_t>(std::ranges::count_if(radio_.calls(), [this](const auto& call) {
        Place place;
        return call.second.direction == Direction::incoming && !is_over(call.second.state) &&
               !place_of_call(call.first, place);
    }));
}

std::size_t Broker::nobodys_texts() const {
    return static_cast<std::size_t>(std::ranges::count_if(radio_.texts(), [this](const auto& text) {
        Place place;
        return text.second.incoming && !place_of_text(text.first, place);
    }));
}

template <class Items>
bool Broker::place_in(Items View::*items, const std::string& path, Place& place) const {
    for (const auto& [mode, view] : views_)
        for (const auto& [number, one] : view.*items)
            if (one.path == path) {
                place = {mode, number};
                return true;
            }
    return false;
}

bool Broker::place_of_call(const std::string& path, Place& place) const {
    return place_in(&View::calls, path, place);
}

bool Broker::place_of_text(const std::string& path, Place& place) const {
    return place_in(&View::texts, path, place);
}

bool Broker::place_of_bearer(const std::string& path, Place& place) const {
    return place_in(&View::bearers, path, place);
}

Result<View*> Broker::may(const std::string& mode, Service service) {
    View* view = own(mode);
    if (view == nullptr || !has_right(view->rights, service))
        return fail(Code::denied, service == Service::sms    ? "this mode has no right to messages"
                                  : service == Service::data ? "this mode has no right to data"
                                                             : "this mode has no right to calls");
    return view;
}

}  // namespace pmos::modem
