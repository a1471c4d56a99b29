// daemon: answers what a mode's filter asks, by the plan the mode was started with. Decides
// nothing.
#include "runtime/daemon/questions.h"

#include <sys/epoll.h>

#include <iterator>

#include "runtime/daemon/denials.h"
#include "runtime/daemon/mode.h"
#include "runtime/launch/questions.h"

namespace pmos::daemon {
namespace {

constexpr int kAtOnce = 64;  // then whatever else waits has its turn

void answer_some(const Context& ctx, Mode& mode, Listener& listener) {
    for (int i = 0; i < kAtOnce; ++i) {
        const auto question = launch::next_question(listener.fd.borrow());
        if (!question) return;
        const auto verdict = policy::evaluate(listener.answer, question->call);
        // Before the answer: as long as who asks waits, its pid is nobody else's.
        ctx.denials.take(mode, *question, verdict);
        launch::answer(listener.fd.borrow(), *question, verdict);
    }
}

}  // namespace

Result<> listen(const Context& ctx, Mode& mode, UniqueFd fd) {
    auto& listeners = mode.running->listeners;
    auto& listener = listeners.emplace_back();
    listener.fd = std::move(fd);
    listener.answer = policy::from_bytes(mode.running->plan->seccomp_answer);
    const auto at = std::prev(listeners.end());
    listener.asked = ctx.loop.on_io(listener.fd.borrow(), EPOLLIN,
                                    [&ctx, &mode, &listeners, at](std::uint32_t events) {
                                        answer_some(ctx, mode, *at);
                                        if ((events & EPOLLHUP) != 0) listeners.erase(at);
                                    });
    if (listener.asked) return {};
    listeners.pop_back();
    return fail(Code::no_space, "cannot listen to what the mode's filter asks");
}

}  // namespace pmos::daemon
