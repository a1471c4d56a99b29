// launch: what a mode's filter asks (seccomp_unotify(2)), for pmosd and the tests. Carries an
// answer, decides none; never reads the memory of who asks.
#pragma once

#include <cstdint>
#include <optional>

#include "base/fd.h"
#include "policy/syscall_filter.h"

namespace pmos::launch {

struct Question {
    std::uint64_t id = 0;
    int pid = 0;  // in our pid namespace; a thread's
    policy::SyscallData call;
};

// Does not block; empty when nobody asks (any more).
std::optional<Question> next_question(BorrowedFd listener) noexcept;

// By a filter's verdict: allow has the kernel carry out the call, as its registers stand (what it
// points to may change meanwhile: never a reason to allow); errno refuses it; all else is EPERM.
void answer(BorrowedFd listener, const Question& question, std::uint32_t verdict) noexcept;

}  // namespace pmos::launch
