// daemon: what the sound's broker has to know of the modes. Pure.
#include "runtime/daemon/audio_table.h"

#include <algorithm>

namespace pmos::daemon {
namespace {

// "Nobody" inside: no account of the mode's image is it.
constexpr std::uint32_t kServer = 65534;

audio::Gate gate_of(policy::Presence right, policy::WhenTaken taken, bool front) {
    using enum policy::Presence;
    if (right == none) return audio::Gate::absent;
    if (right == background || front) return audio::Gate::open;
    return taken == policy::WhenTaken::error ? audio::Gate::absent : audio::Gate::silent;
}

}  // namespace

audio::Table audio_table(const Modes& modes, const Mode* front) {
    audio::Table table;
    for (const auto& [name, mode] : modes) {
        if (!mode->alive() || mode->shut()) continue;
        const auto& plan = mode->running->plan;
        if (!plan || !plan->audio.any() || plan->uid_map.empty()) continue;
        const auto& ids = plan->uid_map.front();
        const bool is_front = mode.get() == front;
        table.modes.push_back({name, ids.outside + std::min(ids.count - 1, kServer),
                               gate_of(plan->audio.playback, plan->audio.when_taken, is_front),
                               gate_of(plan->audio.capture, plan->audio.when_taken, is_front),
                               mode->state == State::running});
    }
    return table;
}

}  // namespace pmos::daemon
