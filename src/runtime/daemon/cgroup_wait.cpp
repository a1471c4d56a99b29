// daemon: waits for a cgroup to reach a state, by cgroup.events. Never blocks.
#include "runtime/daemon/cgroup_wait.h"

#include <sys/epoll.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

// The kernel tells of cgroup.events at most every 10 ms (kernfs), a freeze takes a fraction of one:
// look at first, each time after another quarter of what it has taken so far, so that no more than
// that is lost; then leave it to the notification.
constexpr std::chrono::microseconds kFirstLook = 20us;
constexpr std::chrono::microseconds kLastLook = 12ms;
using Clock = std::chrono::steady_clock;

struct Wait {
    UniqueFd events;
    EventSource changed, deadline, again;
    Clock::time_point begun = Clock::now();
    Done done;
};

template <class Answer>
void look_again(EventLoop& loop, const std::shared_ptr<Wait>& wait, const host::Cgroup& cgroup,
                const std::function<bool(const host::Cgroup&)>& reached, Answer answer) {
    const auto so_far = Clock::now() - wait->begun;
    if (so_far > kLastLook) return;
    const auto next = std::chrono::duration_cast<std::chrono::microseconds>(so_far / 4);
    wait->again = loop.after(std::max(next, kFirstLook), [&loop, wait, &cgroup, reached, answer] {
        if (reached(cgroup)) return answer({});
        look_again(loop, wait, cgroup, reached, answer);
    });
}

}  // namespace

void wait_cgroup(EventLoop& loop, const host::Cgroup& cgroup,
                 std::function<bool(const host::Cgroup&)> reached,
                 std::chrono::milliseconds timeout, Done done) {
    // Opened before the first look: a change in between shows as EPOLLPRI.
    auto events = cgroup.open_events();
    if (!events) return done(fail(std::move(events.error())));
    if (reached(cgroup)) return done({});
    auto wait = std::make_shared<Wait>();
    wait->events = std::move(*events);
    wait->done = std::move(done);
    const auto answer = [wait](Result<> result) {
        wait->changed.reset();
        wait->again.reset();
        wait->deadline.reset();
        if (auto call = std::exchange(wait->done, nullptr)) call(std::move(result));
    };
    wait->changed = loop.on_io(wait->events.borrow(), EPOLLPRI,
                               [answer, wait, &cgroup, reached](std::uint32_t) {
                                   host::Cgroup::settle_events(wait->events.borrow());
                                   if (reached(cgroup)) answer({});
                               });
    wait->deadline = loop.after(timeout, [answer] {
        answer(fail(Code::timed_out, "the cgroup does not settle", "",
                    "a process may hang in the kernel (state D): see the kernel log"));
    });
    look_again(loop, wait, cgroup, reached, answer);
    if (!wait->changed || !wait->deadline) answer(fail(Code::no_space, "cannot watch the cgroup"));
}

}  // namespace pmos::daemon
