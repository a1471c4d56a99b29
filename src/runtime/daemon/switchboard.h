// daemon: who is in the foreground. Exactly one mode is, or none; never two.
#pragma once

#include <functional>
#include <string>

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

class Switchboard {
  public:
    // front_changed: after every change of who is in front.
    Switchboard(Context& ctx, std::function<void()> front_changed,
                std::function<void(Mode&, Done)> ensure_started)
        : ctx_(ctx),
          front_changed_(std::move(front_changed)),
          ensure_started_(std::move(ensure_started)),
          queue_(ctx.loop) {}
    Switchboard(const Switchboard&) = delete;
    Switchboard& operator=(const Switchboard&) = delete;

    // target null: everything to the background.
    void switch_to(Mode* target, Done done);
    // The foreground mode has ended: nobody is in front any more.
    void left(Mode& mode);
    void adopt(Mode& mode);

    Mode* foreground() const noexcept { return foreground_; }
    // Who was in front before, for the moment when the foreground mode ends; may be null.
    Mode* previous() const noexcept { return previous_; }

  private:
    std::vector<SequenceStep> steps(Mode* target);
    void freeze_outgoing(Mode& outgoing, Done done);
    void thaw(Mode& mode, Done done);
    void set_foreground(Mode* mode);

    Context& ctx_;
    std::function<void()> front_changed_;
    std::function<void(Mode&, Done)> ensure_started_;
    JobQueue queue_;
    Mode* foreground_ = nullptr;
    Mode* previous_ = nullptr;
};

}  // namespace pmos::daemon
