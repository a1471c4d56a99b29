// network: acting in another network namespace, for a process of one thread. What is opened there
// stays of there: sockets keep the namespace in which they were made.
#pragma once

#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::network {

// The namespace that the process is in, to which it comes back.
class Home {
  public:
    static Result<Home> here();

    // f() with the process inside. Whoever cannot come back ends: what it did next would be done to
    // the wrong network.
    template <class F>
    auto inside(BorrowedFd netns, F f) const -> decltype(f()) {
        PMOS_TRY(enter(netns));
        auto result = std::move(f)();
        leave();
        return result;
    }
    // A network namespace, and not this one.
    Result<> check_other(BorrowedFd netns) const;

  private:
    explicit Home(UniqueFd fd) : fd_(std::move(fd)) {}
    static Result<> enter(BorrowedFd netns);
    void leave() const noexcept;
    UniqueFd fd_;
};

}  // namespace pmos::network
