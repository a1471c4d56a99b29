// daemon: a running mode's processes stand still, and go on. Waits for the kernel, never blocks.
#include "runtime/daemon/freezer.h"

#include "runtime/daemon/cgroup_wait.h"

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

constexpr auto kFreezeDeadline = 2s;

}  // namespace

void freeze_mode(const Context& ctx, Mode& mode, Done done) {
    if (auto asked = mode.cgroup->freeze(); !asked) return done(fail(std::move(asked.error())));
    wait_cgroup(
        ctx.loop, *mode.cgroup, [](const host::Cgroup& cgroup) { return cgroup.is_frozen(); },
        kFreezeDeadline,
        [&ctx, &mode, done = std::move(done)](Result<> frozen) mutable {
            if (!frozen) {
                static_cast<void>(mode.cgroup->thaw());
                frozen.error().what = "mode '" + mode.name + "' does not freeze";
                return done(std::move(frozen));
            }
            mode.state = State::frozen;
            ctx.observer.mode_changed(mode);
            done({});
        });
}

Result<> thaw_mode(const Context& ctx, Mode& mode) {
    PMOS_TRY(mode.cgroup->thaw());
    mode.state = State::running;
    ctx.observer.mode_changed(mode);
    return {};
}

}  // namespace pmos::daemon
