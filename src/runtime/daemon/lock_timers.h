// daemon: when a mode is locked without anybody asking for it. One clock per mode: what is done
// with another mode, or with the screen, never sets it back.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

class LockTimers {
  public:
    // lock: the mode is due, for this reason; evict: nothing of it is to stay.
    using Lock = std::function<void(Mode& mode, bool evict, std::string_view why)>;
    LockTimers(const Context& ctx, Lock lock);

    // Of a mode that an earlier pmosd left open: its clock went on meanwhile.
    void adopt(Mode& mode);
    // Whatever has changed about the mode: its clocks are stopped, started, and armed.
    void look(Mode& mode);
    // The mode's own secret was given, or it was started: its clock begins anew.
    void used(Mode& mode);

    // It goes on by something weaker: only the clock that locks it begins anew.
    void came_back(Mode& mode);

    bool screen_locked() const noexcept { return screen_locked_; }
    // Survives pmosd. Looks at no mode; the caller does.
    Result<> set_screen(bool locked);

  private:
    struct Clock {
        // CLOCK_BOOTTIME in µs; 0: stands still.
        std::uint64_t idle_since = 0;  // open, and not in front of an unlocked screen
        std::uint64_t shut_since = 0;  // locked and kept, or open behind a locked screen
        std::uint64_t tried_at = 0;
        bool was_front = false;
        bool kept = false;  // in a file, for a pmosd after this one
        EventSource lock, evict;
    };
    void left_front(Mode& mode);
    void keep(const Mode& mode, Clock& clock, bool counts);
    void arm(Mode& mode, Clock& clock);
    EventSource alarm(Mode& mode, std::uint64_t since, std::uint64_t after_ms, bool evict);

    const Context& ctx_;
    Lock lock_;
    bool screen_locked_ = false;
    std::map<std::string, Clock> clocks_;
};

// As its run was started, or will be.
policy::Session session_of(const Mode& mode);

}  // namespace pmos::daemon
