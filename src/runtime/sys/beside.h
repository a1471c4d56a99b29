// sys: a child in the memory of its parent, for what a process cannot do to itself and come back
// from. No page table is copied: with fork(2) that is most of the cost, and grows with the parent.
#pragma once

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstddef>
#include <memory>

namespace pmos::sys {

// Raw calls alone are allowed there: errno, the heap and every lock are the parent's.
using Beside = int (*)(void* argument);

// On the heap: what a sanitizer notes of the child's frames goes with it, also where the child was
// killed in the middle of one.
class BesideStack {
  public:
    void* top() noexcept { return bytes_.get() + kSize; }

  private:
    static constexpr std::size_t kSize = 16384;  // of 16 bytes, as a stack's end has to be
    std::unique_ptr<std::byte[]> bytes_ = std::make_unique_for_overwrite<std::byte[]>(kSize);
};

// Runs the child on a stack, given by its top, that must outlive it, with the flags of clone(2);
// there is no signal at its end. Its pid and a pidfd, or -errno.
inline int clone_beside(Beside child, void* argument, void* stack, int flags, int* pidfd) noexcept {
    const int pid = ::clone(child, stack, flags | CLONE_VM | CLONE_PIDFD, argument, pidfd);
    return pid < 0 ? -errno : pid;
}

// Waits for its end; of a child that goes on, after it was killed.
inline void reap_beside(int pidfd) noexcept {
    siginfo_t info{};
    while (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | __WALL) < 0 &&
           errno == EINTR) {
    }
}

}  // namespace pmos::sys
