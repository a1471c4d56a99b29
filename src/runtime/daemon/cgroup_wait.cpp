// daemon: waits for a cgroup to reach a state, by cgroup.events. Never blocks.
#include "runtime/daemon/cgroup_wait.h"

#include <sys/epoll.h>

#include <memory>

namespace pmos::daemon {

void wait_cgroup(EventLoop& loop, const host::Cgroup& cgroup,
                 std::function<bool(const host::Cgroup&)> reached,
                 std::chrono::milliseconds timeout, Done done) {
    struct Wait {
        UniqueFd events;
        EventSource changed, deadline;
        Done done;
    };
    // Opened before the first look: a change in between shows as EPOLLPRI.
    auto events = cgroup.open_events();
    if (!events) return done(fail(std::move(events.error())));
    if (reached(cgroup)) return done({});
    auto wait = std::make_shared<Wait>();
    wait->events = std::move(*events);
    wait->done = std::move(done);
    const auto answer = [wait](Result<> result) {
        wait->changed.reset();
        wait->deadline.reset();
        if (auto call = std::exchange(wait->done, nullptr)) call(std::move(result));
    };
    wait->changed =
        loop.on_io(wait->events.borrow(), EPOLLPRI, [answer, &cgroup, reached](std::uint32_t) {
            if (reached(cgroup)) answer({});
        });
    wait->deadline = loop.after(timeout, [answer] {
        answer(fail(Code::timed_out, "the cgroup does not settle", "",
                    "a process may hang in the kernel (state D): see the kernel log"));
    });
    if (!wait->changed || !wait->deadline) answer(fail(Code::no_space, "cannot watch the cgroup"));
}

}  // namespace pmos::daemon
