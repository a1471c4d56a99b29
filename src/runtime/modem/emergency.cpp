// modem: an emergency call, from the wish to the end. Never gives up while somebody wants it; says
// what it waits for.
#include "runtime/modem/emergency.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/modem/broker.h"

namespace pmos::modem {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kRetry = 500ms;
// A call that does not end, a modem that does not come up: dialled all the same.
constexpr auto kPatience = 5s;
// So long behind its modem a call that was dialled already may take to be listed.
constexpr auto kListed = 2s;

// By how likely it carries a call: any network takes an emergency call, also without a SIM.
int rank(LineState state) {
    if (state >= LineState::registered) return 3;
    if (state >= LineState::enabled) return 2;
    return state == LineState::disabled ? 1 : 0;
}

bool is_spoken(CallState state) {
    return state == CallState::dialing || state == CallState::ringing_out ||
           state == CallState::active;
}

bool settles(LineState state) {
    return state == LineState::enabling || state == LineState::disabling ||
           state == LineState::initializing;
}

}  // namespace

std::string_view phase_name(Emergency::Phase phase) noexcept {
    constexpr std::string_view kNames[] = {"none",    "waiting", "dialling",
                                           "calling", "active",  "ended"};
    return kNames[static_cast<std::size_t>(phase)];
}

void Emergency::tell(Phase phase, std::string words) {
    if (phase == phase_ && words == words_) return;
    phase_ = phase;
    words_ = std::move(words);
    // What is dialled ModemManager knows of.
    if (phase != Phase::waiting && phase != Phase::dialling) wish_.drop();
    broker_.emergency_changed();
}

void Emergency::begin(std::string mode, unsigned call, std::string number) {
    mode_ = std::move(mode);
    call_ = call;
    number_ = std::move(number);
    path_.clear();
    refused_.clear();
    asked_ = false;
    clearing_ = {};
    ++turn_;
    tell(Phase::waiting, "looks for a modem");
    step();
}

void Emergency::resume() {
    auto number = wish_.left();
    if (number.empty() || under_way()) return;
    resumed_ = true;
    begin("", 0, std::move(number));
}

void Emergency::found(const std::string& path) {
    const auto it = radio_.calls().find(path);
    if (it == radio_.calls().end() || !is_spoken(it->second.state)) return;
    const auto& number = it->second.number;
    // Of two the one that is wanted: what is in its way is hung up.
    if (asked_ || (under_way() && (!path_.empty() || number != number_))) return;
    ++turn_;
    later_.reset();
    mode_.clear();
    call_ = 0;
    number_ = number;
    path_ = path;
    tell(Phase::calling, "it goes on");
    call_changed(path);
}

void Emergency::end(std::string words) {
    if (!under_way()) return;
    ++turn_;
    asked_ = false;
    later_.reset();
    if (!path_.empty()) radio_.hang_up(path_, [](const Result<>&) {});
    tell(Phase::ended, std::move(words));
}

void Emergency::look() { step(); }

void Emergency::again() {
    later_ = loop_.after(kRetry, [this] { step(); });
}

void Emergency::step() {
    if (phase_ != Phase::waiting || asked_) return;
    wish_.keep(number_);
    if (!radio_.lines().empty() && std::exchange(resumed_, false))
        not_before_ = Clock::now() + kListed;
    if (Clock::now() < not_before_) return again();
    if (!radio_.present()) {
        radio_.wake();
        tell(Phase::waiting, "ModemManager is not there: it is started");
        return again();
    }
    const auto line = choose();
    if (line.empty()) {
        refused_.clear();
        if (radio_.lines().empty())
            tell(Phase::waiting, "ModemManager has no modem yet");
        else if (words_.empty() || !words_.starts_with("it was refused"))
            tell(Phase::waiting, "no modem can call yet");
        return again();
    }
    if (!clear(line)) return again();
    const auto state = radio_.lines().at(line).state;
    if (state == LineState::disabled) return enable(line);
    if (settles(state) && Clock::now() - clearing_ < kPatience) {
        tell(Phase::waiting, "the modem is coming up");
        return again();
    }
    dial(line);
}

std::string Emergency::choose() {
    std::string best;
    int how_good = -1;
    for (const auto& [path, line] : radio_.lines()) {
        if (!line.voice || std::ranges::find(refused_, path) != refused_.end()) continue;
        if (rank(line.state) <= how_good) continue;
        best = path;
        how_good = rank(line.state);
    }
    return best;
}

// Whether nothing is in the way any more. Whose call it is makes no difference here.
bool Emergency::clear(const std::string& line) {
    if (clearing_ == Clock::time_point{}) clearing_ = Clock::now();
    bool busy = false;
    for (const auto& [path, call] : radio_.calls()) {
        if (call.line != line || is_over(call.state) || call.state == CallState::unknown) continue;
        busy = true;
        radio_.hang_up(path, [](const Result<>&) {});
    }
    if (!busy || Clock::now() - clearing_ > kPatience) return true;
    tell(Phase::waiting, "another call is hung up");
    return false;
}

void Emergency::enable(const std::string& line) {
    asked_ = true;
    tell(Phase::waiting, "the modem is switched on");
    radio_.enable(line, [this, line, turn = turn_](const Result<>& result) {
        if (turn != turn_) return;
        asked_ = false;
        if (!result) return failed(line, result.error());
        step();
    });
}

void Emergency::dial(const std::string& line) {
    asked_ = true;
    tell(Phase::dialling, "dials " + number_);
    radio_.create_call(line, number_, [this, line, turn = turn_](Result<std::string> path) {
        if (turn != turn_) return;
        if (!path) return failed(line, path.error());
        path_ = *path;
        broker_.emergency_has(mode_, call_, line, path_);
        radio_.start_call(path_, [this, line, turn](const Result<>& result) {
            if (turn != turn_) return;
            if (!result) {
                radio_.delete_call(line, path_);
                return failed(line, result.error());
            }
            asked_ = false;
            if (phase_ == Phase::dialling) tell(Phase::calling, "it is dialled");
            call_changed(path_);
        });
    });
}

void Emergency::failed(const std::string& line, const Error& error) {
    ++turn_;
    asked_ = false;
    path_.clear();
    refused_.push_back(line);
    // A modem of one port cannot dial while it is connected, or about to be. Others can, and need
    // not be.
    if (broker_.has_data(line)) radio_.disconnect_data(line, "/", [](const Result<>&) {});
    tell(Phase::waiting, "it was refused and is tried again: " + error.message());
    again();
}

void Emergency::call_changed(const std::string& path) {
    if (!under_way() || path != path_) return;
    const auto it = radio_.calls().find(path);
    if (it == radio_.calls().end()) return;
    switch (it->second.state) {
        case CallState::dialing:
            return tell(Phase::calling, "it is dialled");
        case CallState::ringing_out:
            return tell(Phase::calling, "it rings");
        case CallState::active:
            return tell(Phase::active, "somebody answers");
        case CallState::terminated:
            // An answer to the start says more.
            if (phase_ == Phase::dialling) return;
            radio_.delete_call(it->second.line, path);
            path_.clear();
            ++turn_;
            return tell(Phase::ended, "the call has ended");
        default:
            return;
    }
}

// Without an end: ModemManager or the modem has gone under it.
void Emergency::call_gone(const std::string& path) {
    if (!under_way() || path != path_) return;
    ++turn_;
    asked_ = false;
    path_.clear();
    if (phase_ == Phase::active)
        return tell(Phase::ended, "the modem has gone: the call may be lost");
    clearing_ = {};
    refused_.clear();
    tell(Phase::waiting, "the modem has gone: it is dialled again");
    again();
}

}  // namespace pmos::modem
