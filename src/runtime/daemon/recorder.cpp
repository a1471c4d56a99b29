// daemon: recordings that are asked for and that go on: who waits for them, and for how long. Never
// starts or stops a mode itself.
#include "runtime/daemon/recorder.h"

#include "runtime/daemon/denials.h"

namespace pmos::daemon {

Recorder::Ticket Recorder::ask(const Mode& mode, std::string owner) {
    std::erase_if(asked_, [](const auto& a) { return a.expired(); });
    auto ticket = std::make_shared<Asked>(Asked{mode.name, std::move(owner)});
    asked_.push_back(ticket);
    return ticket;
}

void Recorder::begin(Mode& mode, std::chrono::milliseconds how_long, const Ticket& asked,
                     std::function<void()> over, Answer<Recorded> answer) {
    going_[mode.name] = {asked,       mode.running->recording,         ctx_.denials.lost(),
                         over,        ctx_.loop.after(how_long, over), std::move(answer),
                         std::nullopt};
    ctx_.observer.event("recording", mode.name,
                        {{"for_ms", std::to_string(how_long.count())},
                         {"what", "most of what its filter refuses is let through"}});
    if (asked->called_off) over();
}

void Recorder::refuse(const Mode& mode, Error why) {
    const auto going = going_.find(mode.name);
    if (going == going_.end() || going->second.refused) return;
    going->second.refused = std::move(why);
    going->second.over();
}

void Recorder::ended(const Mode& mode) {
    auto going = going_.extract(mode.name);
    if (going.empty()) return;
    Going& it = going.mapped();
    const Recording& recording = *it.recording;
    Recorded recorded;
    recorded.lost = recording.lost + ctx_.denials.lost() - it.lost_before;
    for (const auto& [key, seen] : recording.seen) {
        if (seen.details.empty()) continue;  // a refusal that means nothing
        recorded.seen.push_back(seen.details);
        recorded.seen.back().emplace_back("times", std::to_string(seen.times));
    }
    Details details{{"seen", std::to_string(recorded.seen.size())},
                    {"lost", std::to_string(recorded.lost)}};
    if (it.refused) details.emplace_back("why", it.refused->message());
    ctx_.observer.event("recorded", mode.name, details);
    if (it.refused) return it.answer(fail(std::move(*it.refused)));
    it.answer(std::move(recorded));
}

// over() queues a stop: nothing of ours changes under the loop.
bool Recorder::call_off(const std::function<bool(const Asked&)>& which) {
    bool any = false;
    for (const auto& weak : asked_)
        if (const auto asked = weak.lock(); asked && which(*asked)) any = asked->called_off = true;
    for (const auto& [mode, going] : going_)
        if (which(*going.asked)) going.over();
    return any;
}

bool Recorder::call_off(const Mode& mode, const std::string& owner) {
    return call_off([&](const Asked& a) { return a.mode == mode.name && a.owner == owner; });
}

void Recorder::drop_owners(const std::function<bool(const std::string&)>& gone) {
    call_off([&](const Asked& a) { return gone(a.owner); });
}

}  // namespace pmos::daemon
