// daemon: recordings that go on: who waits for them, and for how long. Never starts a mode.
#include "runtime/daemon/recorder.h"

#include "runtime/daemon/denials.h"

namespace pmos::daemon {

void Recorder::begin(Mode& mode, std::chrono::milliseconds how_long, std::string owner,
                     std::function<void()> over, Answer<Recorded> answer) {
    Going& going = going_[mode.name];
    going = {std::move(owner),
             mode.running->recording,
             ctx_.denials.lost(),
             over,
             ctx_.loop.after(how_long, over),
             std::move(answer)};
    ctx_.observer.event("recording", mode.name,
                        {{"for_ms", std::to_string(how_long.count())},
                         {"what", "most of what its filter refuses is let through"}});
}

void Recorder::ended(const Mode& mode) {
    auto going = going_.extract(mode.name);
    if (going.empty()) return;
    const Recording& recording = *going.mapped().recording;
    Recorded recorded;
    recorded.lost = recording.lost + ctx_.denials.lost() - going.mapped().lost_before;
    for (const auto& [key, seen] : recording.seen) {
        if (seen.details.empty()) continue;  // a refusal that means nothing
        recorded.seen.push_back(seen.details);
        recorded.seen.back().emplace_back("times", std::to_string(seen.times));
    }
    ctx_.observer.event(
        "recorded", mode.name,
        {{"seen", std::to_string(recorded.seen.size())}, {"lost", std::to_string(recorded.lost)}});
    going.mapped().answer(std::move(recorded));
}

void Recorder::drop_owners(const std::function<bool(const std::string&)>& gone) {
    for (const auto& [mode, going] : going_)
        if (gone(going.owner)) going.over();
}

}  // namespace pmos::daemon
