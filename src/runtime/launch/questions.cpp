// launch: what a mode's filter asks (seccomp_unotify(2)). Carries an answer, decides none.
#include "runtime/launch/questions.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace pmos::launch {
namespace {

// A newer kernel's struct may be longer, and it writes the whole of it.
union Received {
    seccomp_notif notification;
    std::byte room[512];
};

}  // namespace

std::optional<Question> next_question(BorrowedFd listener) noexcept {
    // The ioctl itself would wait.
    pollfd ready{listener.get(), POLLIN, 0};
    if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLIN) == 0) return std::nullopt;
    Received received{.room = {}};
    if (::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &received) != 0) return std::nullopt;
    const seccomp_notif& n = received.notification;
    Question question;
    question.id = n.id;
    question.pid = static_cast<int>(n.pid);
    question.call.nr = static_cast<std::uint32_t>(n.data.nr);
    question.call.arch = n.data.arch;
    question.call.instruction_pointer = n.data.instruction_pointer;
    std::copy(std::begin(n.data.args), std::end(n.data.args), question.call.args);
    return question;
}

void answer(BorrowedFd listener, const Question& question, std::uint32_t verdict) noexcept {
    seccomp_notif_resp response{};
    response.id = question.id;
    const std::uint32_t action = verdict & SECCOMP_RET_ACTION_FULL;
    if (action == SECCOMP_RET_ALLOW)
        response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else if (action == SECCOMP_RET_ERRNO && (verdict & SECCOMP_RET_DATA) != 0)
        response.error = -static_cast<int>(verdict & SECCOMP_RET_DATA);
    else
        response.error = -EPERM;
    // Who asked may be gone: then nobody needs an answer.
    static_cast<void>(::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &response));
}

}  // namespace pmos::launch
