// daemon: answers what a mode's filter asks, by the plan the mode was started with. Decides
// nothing.
#include "runtime/daemon/questions.h"

#include <linux/seccomp.h>
#include <sys/epoll.h>

#include <cerrno>
#include <iterator>

#include "runtime/daemon/denials.h"
#include "runtime/daemon/fd_store.h"
#include "runtime/daemon/mode.h"
#include "runtime/launch/questions.h"

namespace pmos::daemon {
namespace {

constexpr int kAtOnce = 64;  // then whatever else waits has its turn

// Whatever the plan may hold: what an ordinary run asks is never let through.
std::uint32_t verdict_of(const Listener& listener, const policy::SyscallData& call) {
    const auto verdict = policy::evaluate(listener.answer, call);
    const bool refuses = (verdict & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
    return refuses || listener.lets_through ? verdict : policy::verdict_errno(EPERM).ret;
}

void answer_some(const Context& ctx, Mode& mode, Listener& listener) {
    for (int i = 0; i < kAtOnce; ++i) {
        const auto question = launch::next_question(listener.fd.borrow());
        if (!question) return;
        const auto verdict = verdict_of(listener, question->call);
        // Before the answer: as long as who asks waits, its pid is nobody else's.
        ctx.denials.take(mode, *question, verdict);
        launch::answer(listener.fd.borrow(), *question, verdict);
    }
}

}  // namespace

Result<> listen(const Context& ctx, Mode& mode, UniqueFd fd, std::string kept_as) {
    auto& listeners = mode.running->listeners;
    auto& listener = listeners.emplace_back();
    listener.fd = std::move(fd);
    if (mode.running->plan)
        listener.answer = policy::from_bytes(mode.running->plan->seccomp_answer);
    // A recording ends with its pmosd, and its listener with it.
    listener.lets_through = mode.recorded();
    listener.kept_as = std::move(kept_as);
    if (listener.kept_as.empty() && !listener.lets_through) {
        listener.kept_as = listener_name(mode.name);
        keep_descriptor(listener.kept_as, listener.fd.borrow());
    }
    const auto at = std::prev(listeners.end());
    listener.asked = ctx.loop.on_io(listener.fd.borrow(), EPOLLIN,
                                    [&ctx, &mode, &listeners, at](std::uint32_t events) {
                                        answer_some(ctx, mode, *at);
                                        if ((events & EPOLLHUP) == 0) return;
                                        if (!at->kept_as.empty()) forget_descriptor(at->kept_as);
                                        listeners.erase(at);
                                    });
    if (listener.asked) return {};
    if (!listener.kept_as.empty()) forget_descriptor(listener.kept_as);
    listeners.pop_back();
    return fail(Code::no_space, "cannot listen to what the mode's filter asks");
}

void have_asked_again(Mode& mode) {
    if (mode.state == State::frozen) return;  // it has left off already
    static_cast<void>(mode.cgroup->freeze());
    static_cast<void>(mode.cgroup->thaw());
}

}  // namespace pmos::daemon
