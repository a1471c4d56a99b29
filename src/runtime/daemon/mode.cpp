// daemon: what pmosd knows of one mode. A value with handles; what is done to it stands elsewhere.
#include "runtime/daemon/mode.h"

#include <algorithm>

#include "runtime/daemon/volume_job.h"

namespace pmos::daemon {

std::string_view state_name(State state) noexcept {
    switch (state) {
        case State::disabled:
            return "disabled";
        case State::stopped:
            return "stopped";
        case State::starting:
            return "starting";
        case State::running:
            return "running";
        case State::frozen:
            return "frozen";
        case State::stopping:
            return "stopping";
        case State::failed:
            return "failed";
    }
    return "unknown";
}

bool Mode::needs_secret() const noexcept {
    return plan != nullptr && std::ranges::any_of(plan->volumes, daemon::needs_secret);
}

bool Mode::takes_secret() const noexcept {
    return plan != nullptr && std::ranges::any_of(plan->volumes, daemon::takes_secret);
}

std::unexpected<Error> Mode::locked_error() const {
    return fail(Code::locked, "mode '" + name + "' is locked", "",
                "unlock it with: pmosctl unlock " + name);
}

std::unexpected<Error> Mode::disabled_error() const {
    return fail(Code::disabled, "mode '" + name + "' is disabled", broken.empty() ? reason : broken,
                "see: pmosctl policy check");
}

}  // namespace pmos::daemon
