// network: when the clock was set, or the phone has slept. See clock_watch.h.
#include "runtime/network/clock_watch.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <limits>

namespace pmos::network {

// timerfd_create(2): a timer that is cancelled by a discontinuous change, and never runs out.
Result<> ClockWatch::arm() const {
    itimerspec never{};
    never.it_value.tv_sec = std::numeric_limits<time_t>::max();
    if (::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
                          nullptr) != 0)
        return fail(errno_error(errno, "cannot watch the clock"));
    return {};
}

Result<std::unique_ptr<ClockWatch>> ClockWatch::make(event::EventLoop& loop,
                                                     std::function<void()> told) {
    UniqueFd timer(::timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC));
    if (!timer) return fail(errno_error(errno, "cannot watch the clock"));
    std::unique_ptr<ClockWatch> made(new ClockWatch(std::move(timer), std::move(told)));
    PMOS_TRY(made->arm());
    made->on_timer_ = loop.on_io(made->timer_.borrow(), EPOLLIN, [watch = made.get()](auto) {
        std::uint64_t ignored = 0;
        const auto got = ::read(watch->timer_.get(), &ignored, sizeof ignored);
        if (got >= 0 || errno != ECANCELED) return;
        static_cast<void>(watch->arm());
        watch->told_();
    });
    return made;
}

}  // namespace pmos::network
