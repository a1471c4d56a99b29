// launch: the steps' names, for messages and fault injection. No heap.
#include <array>

#include "runtime/launch/protocol.h"

namespace pmos::launch {
namespace {

constexpr std::array kNames{
    "none",
    "read-request",
    "map-plan",
    "build-dev",
    "open-volumes",
    "open-binds",
    "join-net-ns",
    "enter-time-ns",
    "visit-mode",
    "change-dev",
    "clone",
    "write-id-maps",
    "adjust-child",
    "enter-namespaces",
    "child-sync",
    "child-session",
    "child-hostname",
    "child-private-mounts",
    "child-root",
    "child-mounts",
    "child-devices",
    "child-masks",
    "child-pivot",
    "enter-tty",
    "child-open-confinement",
    "child-close-fds",
    "child-identity",
    "child-rlimits",
    "child-capabilities",
    "child-no-new-privs",
    "child-landlock",
    "child-lsm",
    "child-seccomp",
    "child-exec-init",
    "init-fork",
    "init-exec",
    "reply",
    // Of containers alone.
    "join-namespaces",
    "place-child",
    "child-nodes",
    "child-sysctl",
    "child-pause",
    "child-create-hooks",
    "child-wait",
    "child-start-hooks",
    "child-personality",
};
static_assert(kNames.size() == static_cast<std::size_t>(Step::count_));

}  // namespace

const char* step_name(Step step) noexcept {
    const auto index = static_cast<std::size_t>(step);
    return index < kNames.size() ? kNames.data()[index] : "unknown";
}

}  // namespace pmos::launch
