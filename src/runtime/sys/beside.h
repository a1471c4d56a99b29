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
    explicit BesideStack(std::size_t size = 16384)  // a stack's end is aligned to 16 bytes
        : size_(size), bytes_(std::make_unique_for_overwrite<std::byte[]>(size)) {}
    void* top() noexcept { return bytes_.get() + size_; }

  private:
    std::size_t size_;
    std::unique_ptr<std::byte[]> bytes_;
};

// Runs the child on the stack, which must outlive it, with the flags of clone(2); descriptors are
// shared, there is no signal at its end. Its pid and a pidfd, or -errno.
inline int clone_beside(Beside child, void* argument, BesideStack& stack, int flags,
                        int* pidfd) noexcept {
    const int pid =
        ::clone(child, stack.top(), flags | CLONE_VM | CLONE_FILES | CLONE_PIDFD, argument, pidfd);
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
