// daemon: asks one thing of one pmos-volume process. Never reads the secret it passes on.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "policy/launch_plan.h"
#include "policy/x25519.h"
#include "runtime/daemon/context.h"
#include "runtime/daemon/process.h"
#include "runtime/volume/client.h"
#include "runtime/volume/protocol.h"

namespace pmos::daemon {

struct VolumeJob {
    volume::Verb verb{};
    std::string mode;
    policy::Volume volume;
    volume::AttemptPlaces places;
    volume::Ways ways = {};
    UniqueFd secret;  // empty for a device key and for verbs that need none
    UniqueFd other;   // as volume::needs_other()
    bool replaces = false;
    std::vector<policy::PublicKey> peers = {};  // as volume::Request has them
    std::move_only_function<void(std::uint32_t permille, std::string_view step)> progress = nullptr;
    std::move_only_function<void()> keys_ended = nullptr;  // before it answers
};

// How a worker ended that did not refuse.
struct VolumeEnd {
    std::optional<volume::Event> event;  // empty: it died, and may have left things half done
    int exit_code = 0;
    Details details;
};

// Answers once the process has ended and is reaped.
// What comes back asks the worker to end: it undoes or leaves at a sound place, and answers.
std::function<void()> run_volume_worker(EventLoop& loop, const std::string& libexec, VolumeJob job,
                                        Answer<VolumeEnd> answer);

}  // namespace pmos::daemon
