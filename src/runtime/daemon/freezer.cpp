// daemon: a running mode's processes stand still, and go on. Waits for the kernel, never blocks.
#include "runtime/daemon/freezer.h"

#include "runtime/daemon/cgroup_wait.h"

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

constexpr auto kFreezeDeadline = 2s;
constexpr auto kSwitchDeadline = 500ms;  // somebody waits for the panel

}  // namespace

void freeze_mode(const Context& ctx, Mode& mode, Late late, Done done) {
    if (auto asked = mode.cgroup->freeze(); !asked) return done(fail(std::move(asked.error())));
    wait_cgroup(
        ctx.loop, *mode.cgroup, [](const host::Cgroup& cgroup) { return cgroup.is_frozen(); },
        late == Late::fails ? kFreezeDeadline : kSwitchDeadline,
        [&ctx, &mode, late, done = std::move(done)](Result<> frozen) mutable {
            if (!frozen && late == Late::leave && frozen.error().code == Code::timed_out) {
                ctx.observer.event("freeze-late", mode.name,
                                   {{"why", "a process of it is inside the kernel"}});
                frozen = Result<>();
            }
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
