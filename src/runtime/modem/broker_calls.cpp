// modem: the calls of the modes.
#include <algorithm>
#include <memory>
#include <utility>

#include "runtime/modem/broker.h"

namespace pmos::modem {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kMostCalls = 16;
constexpr auto kNumberWait = 2500ms;
constexpr auto kLook = 250ms;
constexpr std::size_t kMostTones = 32;

std::unexpected<Error> gone() { return fail(Code::not_found, "there is no such call"); }

bool comes_in(const RadioCall& call) {
    return call.direction == Direction::incoming && !is_over(call.state);
}

bool rings(CallState state) {
    return state == CallState::ringing_in || state == CallState::waiting;
}

// What is left of it when nobody knows any more who was in front at the ring.
Table only_claims(Table table) {
    table.fallback.clear();
    for (auto& mode : table.modes) mode.foreground = false;
    return table;
}

}  // namespace

std::vector<std::string> Broker::on_call() const {
    std::vector<std::string> out;
    for (const auto& [mode, view] : views_)
        if (std::ranges::any_of(view.calls, [](const auto& call) { return is_live(call.second); }))
            out.push_back(mode);
    return out;
}

Result<OwnCall*> Broker::find_call(const std::string& mode, unsigned call) {
    View* view = own(mode);
    if (view == nullptr) return gone();
    const auto it = view->calls.find(call);
    if (it == view->calls.end()) return gone();
    return &it->second;
}

void Broker::call_changed(const std::string& path) {
    emergency_.call_changed(path);
    const auto found = radio_.calls().find(path);
    if (found == radio_.calls().end()) return;
    if (Place place; place_of_call(path, place)) {
        auto& call = views_.at(place.mode).calls.at(place.number);
        // Not what a new one has that is not dialled yet.
        if (found->second.state != CallState::unknown)
            set_call(place, found->second.state, found->second.reason);
        if (is_over(call.state) && call.direction == Direction::outgoing) {
            const auto over = std::exchange(call.path, "");
            if (!call.emergency) radio_.delete_call(call.line, over);
        }
        return;
    }
    const auto& call = found->second;
    if (call.direction == Direction::outgoing && is_emergency_number(call.number))
        return emergency_.found(path);
    judge_call(path);
}

// At the ring, by who is in front then: what happens later makes it nobody else's.
void Broker::judge_call(const std::string& path) {
    const auto found = radio_.calls().find(path);
    if (!table_known_ || found == radio_.calls().end() || !comes_in(found->second) ||
        judged_.contains(path))
        return;
    const RadioCall& now = found->second;
    if (now.number.empty()) {
        const auto [since, fresh] = waiting_.try_emplace(path, Clock::now());
        if (fresh || Clock::now() - since->second < kNumberWait) {
            if (!judge_later_) judge_later_ = loop_.after(kLook, [this] { judge_waiting(); });
            return;
        }
    }
    waiting_.erase(path);
    judged_.insert(path);
    const auto line = radio_.lines().find(now.line);
    const LineNames names = line == radio_.lines().end() ? LineNames{} : line->second.names;
    // One that was taken before a broker that died.
    const bool fresh = rings(now.state);
    const auto owner =
        owner_of(fresh ? table_ : only_claims(table_), Service::voice, now.number, names);
    View* view = own(owner);
    if (view == nullptr || !view->rights.voice) return listener_->emergency_changed();
    const unsigned number = view->next_call++;
    OwnCall call;
    call.line = now.line;
    call.path = path;
    call.number = now.number;
    call.state = now.state;
    call.reason = now.reason;
    call.direction = Direction::incoming;
    view->calls.emplace(number, std::move(call));
    if (fresh) listener_->call_came(owner);  // first: who hears it may look what the mode is doing
    listener_->call_added(owner, number);
}

void Broker::judge_waiting() {
    judge_later_.reset();
    for (const auto& path : keys_of(waiting_)) judge_call(path);
}

void Broker::call_gone(const std::string& path) {
    judged_.erase(path);
    waiting_.erase(path);
    emergency_.call_gone(path);
    Place place;
    if (!place_of_call(path, place)) return;
    auto& call = views_.at(place.mode).calls.at(place.number);
    // It is dialled again under another name.
    if (emergency_.is_of(place.mode, place.number)) {
        call.path.clear();
        return;
    }
    set_call(place, CallState::terminated, call.reason);
    if (call.direction == Direction::outgoing) {
        call.path.clear();
        return;
    }
    views_.at(place.mode).calls.erase(place.number);
    listener_->call_removed(place.mode, place.number);
}

void Broker::set_call(const Place& place, CallState state, std::int32_t reason) {
    auto& call = views_.at(place.mode).calls.at(place.number);
    if (call.state == state) return;
    const auto before = std::exchange(call.state, state);
    call.reason = reason;
    call.starting = false;
    listener_->call_changed(place.mode, place.number, before);
}

Result<unsigned> Broker::make_call(const std::string& mode, const std::string& line,
                                   const std::string& number) {
    View* view = own(mode);
    const auto plain = plain_number(number);
    const bool emergency = is_emergency_number(plain);
    if (view == nullptr) return fail(Code::denied, "this mode has no right to calls");
    if (!emergency) {
        PMOS_TRY(may(mode, Service::voice));
        if (!view->lines.contains(line)) return fail(Code::not_found, "there is no such modem");
        if (!is_dialable(plain)) return fail(Code::usage, "this is no number that can be called");
    }
    if (view->calls.size() >= kMostCalls) {
        const auto old = std::ranges::find_if(
            view->calls, [](const auto& call) { return is_over(call.second.state); });
        // An emergency call is made also by who has left a lot behind, and goes on itself.
        const auto other = std::ranges::find_if(view->calls, [&](const auto& call) {
            return emergency && !emergency_.is_of(mode, call.first);
        });
        if (old == view->calls.end() && other == view->calls.end())
            return fail(Code::no_space, "this mode has made too many calls");
        const auto drop = old != view->calls.end() ? old->first : other->first;
        if (is_live(view->calls.at(drop)))
            radio_.hang_up(view->calls.at(drop).path, [](const Result<>&) {});
        view->calls.erase(drop);
        listener_->call_removed(mode, drop);
    }
    const unsigned own = view->next_call++;
    OwnCall call;
    call.line = line;
    call.number = plain;
    call.direction = Direction::outgoing;
    call.emergency = emergency;
    view->calls.emplace(own, std::move(call));
    listener_->call_added(mode, own);
    return own;
}

Result<> Broker::line_is_free(const std::string& line) const {
    if (emergency_.under_way()) return fail(Code::busy, "an emergency call is under way");
    if (!radio_.lines().contains(line)) return fail(Code::unreachable, "the modem is not there");
    for (const auto& [path, call] : radio_.calls())
        if (call.line == line && !is_over(call.state) && call.state != CallState::unknown)
            return fail(Code::busy, "there is a call on this line");
    return {};
}

void Broker::start_call(const std::string& mode, unsigned number, Done done) {
    auto found = find_call(mode, number);
    if (!found) return done(fail(std::move(found.error())));
    OwnCall& call = **found;
    if (call.direction != Direction::outgoing || call.state != CallState::unknown || call.starting)
        return done(fail(Code::usage, "this call cannot be started, or was already"));
    if (call.emergency) return begin_emergency(mode, number, std::move(done));
    if (auto right = may(mode, Service::voice); !right) return done(fail(std::move(right.error())));
    if (auto free = line_is_free(call.line); !free) return done(std::move(free));
    call.starting = true;
    const auto ended = [this, mode, number, line = call.line,
                        kept = std::make_shared<Done>(std::move(done))](Result<> result) {
        if (auto still = find_call(mode, number); still && !result) {
            if (const auto path = std::exchange((*still)->path, ""); !path.empty())
                radio_.delete_call(line, path);
            set_call({mode, number}, CallState::terminated, 0);
        }
        (*kept)(std::move(result));
    };
    radio_.create_call(call.line, call.number,
                       [this, mode, number, line = call.line, ended](Result<std::string> path) {
                           if (!path) return ended(fail(std::move(path.error())));
                           auto still = find_call(mode, number);
                           // Its right went meanwhile, or an emergency call came.
                           if (!still || emergency_.under_way()) {
                               radio_.delete_call(line, *path);
                               return ended(gone());
                           }
                           (*still)->path = *path;
                           radio_.start_call(
                               *path, [this, mode, number, path = *path, ended](Result<> started) {
                                   if (started && !find_call(mode, number))
                                       radio_.hang_up(path, [](const Result<>&) {});
                                   ended(std::move(started));
                               });
                       });
}

void Broker::begin_emergency(const std::string& mode, unsigned number, Done done) {
    if (emergency_.under_way()) return done(fail(Code::busy, "an emergency call is under way"));
    auto& call = **find_call(mode, number);
    call.starting = true;
    set_call({mode, number}, CallState::dialing, 0);
    emergency_.begin(mode, number, call.number);
    done({});
}

Result<> Broker::dial_emergency(const std::string& number) {
    const auto plain = plain_number(number);
    if (!is_emergency_number(plain))
        return fail(Code::denied, "'" + plain + "' is no emergency number of this phone", "",
                    "a mode with the right 'voice' can call it");
    if (emergency_.under_way()) {
        if (emergency_.number() == plain) return {};
        emergency_.end("another number is dialled");
    }
    emergency_.begin("", 0, plain);
    return {};
}

void Broker::end_emergency() { emergency_.end("it was hung up"); }

void Broker::emergency_has(const std::string& mode, unsigned call, const std::string& line,
                           const std::string& path) {
    auto own = find_call(mode, call);
    if (!own) return;
    (*own)->line = line;
    (*own)->path = path;
}

// One that was never dialled has no end of its own.
void Broker::emergency_is_over() {
    for (auto& [mode, view] : views_)
        for (auto& [number, call] : view.calls)
            if (call.emergency && call.direction == Direction::outgoing &&
                call.state == CallState::dialing && call.path.empty())
                return set_call({mode, number}, CallState::terminated, 0);
}

void Broker::accept_call(const std::string& mode, unsigned number, Done done) {
    if (auto right = may(mode, Service::voice); !right) return done(fail(std::move(right.error())));
    auto found = find_call(mode, number);
    if (!found) return done(fail(std::move(found.error())));
    if ((*found)->state != CallState::ringing_in)
        return done(fail(Code::usage, "this call does not ring"));
    radio_.accept_call((*found)->path, std::move(done));
}

void Broker::hang_up(const std::string& mode, unsigned number, Done done) {
    auto found = find_call(mode, number);
    if (!found) return done(fail(std::move(found.error())));
    if (emergency_.is_of(mode, number)) {
        emergency_.end("it was hung up");
        return done({});
    }
    if (!is_live(**found)) return done(fail(Code::usage, "this call does not go on"));
    radio_.hang_up((*found)->path, std::move(done));
}

void Broker::hang_up_all(const std::string& mode, Done done) {
    if (View* view = own(mode); view != nullptr)
        for (const auto& [number, call] : view->calls) {
            if (emergency_.is_of(mode, number))
                emergency_.end("it was hung up");
            else if (is_live(call))
                radio_.hang_up(call.path, [](const Result<>&) {});
        }
    done({});
}

void Broker::send_tones(const std::string& mode, unsigned number, const std::string& tones,
                        Done done) {
    auto found = find_call(mode, number);
    if (!found) return done(fail(std::move(found.error())));
    if (tones.empty() || tones.size() > kMostTones ||
        tones.find_first_not_of("0123456789*#ABCD") != std::string::npos)
        return done(fail(Code::usage, "these are no tones"));
    if ((*found)->state != CallState::active)
        return done(fail(Code::usage, "nobody has answered this call"));
    radio_.send_tones((*found)->path, tones, std::move(done));
}

Result<> Broker::delete_call(const std::string& mode, unsigned number) {
    PMOS_ASSIGN(OwnCall * call, find_call(mode, number));
    if (is_live(*call) || emergency_.is_of(mode, number))
        return fail(Code::usage, "this call goes on", "", "hang it up first");
    views_.at(mode).calls.erase(number);
    listener_->call_removed(mode, number);
    return {};
}

}  // namespace pmos::modem
