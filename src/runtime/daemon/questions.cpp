// daemon: answers what a mode's filter asks, by the plan the mode was started with. Decides
// nothing.
#include "runtime/daemon/questions.h"

#include <linux/seccomp.h>
#include <sys/epoll.h>

#include <cerrno>
#include <chrono>
#include <iterator>
#include <list>

#include "runtime/daemon/denials.h"
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

using At = std::list<Listener>::iterator;

void drop(Mode& mode, At at) {
    if (!at->kept_as.empty()) forget_descriptor(at->kept_as);
    mode.running->listeners.erase(at);
}

bool hear(const Context& ctx, Mode& mode, At at);

void asked(const Context& ctx, Mode& mode, At at, std::uint32_t events) {
    TimeShare& share = mode.running->answering;
    const auto begin = TimeShare::Clock::now();
    if (const auto wait = share.wait(begin); wait > TimeShare::Clock::duration{}) {
        at->asked =
            ctx.loop.after(std::chrono::ceil<std::chrono::milliseconds>(wait), [&ctx, &mode, at] {
                if (!hear(ctx, mode, at)) drop(mode, at);  // who asks gets ENOSYS
            });
        if (!at->asked) drop(mode, at);
        return;
    }
    answer_some(ctx, mode, *at);
    share.used(TimeShare::Clock::now() - begin);
    if ((events & EPOLLHUP) != 0) drop(mode, at);
}

bool hear(const Context& ctx, Mode& mode, At at) {
    at->asked = ctx.loop.on_io(at->fd.borrow(), EPOLLIN, [&ctx, &mode, at](std::uint32_t events) {
        asked(ctx, mode, at, events);
    });
    return static_cast<bool>(at->asked);
}

Result<> begin(const Context& ctx, Mode& mode, Listener listener) {
    if (mode.running->plan)
        listener.answer = policy::from_bytes(mode.running->plan->seccomp_answer);
    auto& listeners = mode.running->listeners;
    listeners.push_back(std::move(listener));
    if (hear(ctx, mode, std::prev(listeners.end()))) return {};
    drop(mode, std::prev(listeners.end()));
    return fail(Code::no_space, "cannot listen to what the mode's filter asks");
}

}  // namespace

Result<> listen(const Context& ctx, Mode& mode, UniqueFd fd, Whose whose) {
    Listener listener;
    listener.fd = std::move(fd);
    // A recording ends with its pmosd, and its listener with it.
    listener.lets_through = mode.recorded();
    if (!listener.lets_through) {
        listener.kept_as = listener_name(mode.name, whose);
        if (const auto kept = keep_descriptor(listener.kept_as, listener.fd.borrow()); !kept) {
            listener.kept_as.clear();
            ctx.observer.event("denials-lost", mode.name, {{"why", kept.error().message()}});
        }
    }
    return begin(ctx, mode, std::move(listener));
}

Result<> listen_again(const Context& ctx, Mode& mode, KeptDescriptor kept) {
    Listener listener;
    listener.fd = std::move(kept.fd);
    listener.kept_as = std::move(kept.name);
    return begin(ctx, mode, std::move(listener));
}

void have_asked_again(Mode& mode) {
    if (mode.state == State::frozen) return;  // it has left off already
    static_cast<void>(mode.cgroup->freeze());
    static_cast<void>(mode.cgroup->thaw());
}

}  // namespace pmos::daemon
