// daemon: who is in the foreground. Exactly one mode is, or none; never two.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/daemon/context.h"
#include "runtime/daemon/device_gate.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

class Switchboard {
  public:
    // owners: asked in this order, to grant in the reverse one. front_changed: after every change
    // of who is in front. left_empty: after a switch that leaves nobody there.
    Switchboard(Context& ctx, std::vector<DeviceOwner*> owners, std::function<void()> front_changed,
                std::function<void()> left_empty, std::function<void(Mode&, Done)> ensure_started)
        : ctx_(ctx),
          owners_(std::move(owners)),
          front_changed_(std::move(front_changed)),
          left_empty_(std::move(left_empty)),
          ensure_started_(std::move(ensure_started)) {}
    Switchboard(const Switchboard&) = delete;
    Switchboard& operator=(const Switchboard&) = delete;

    // target null: everything to the background. Of what is asked for while a switch is under way
    // the last counts: those before it are cancelled.
    void switch_to(Mode* target, Done done);
    // Who has a call goes on behind another, for as long as it lasts. Nothing where nothing is to
    // be done; in the middle of a switch, behind it.
    void settle_call(Mode& mode);
    // The foreground mode has ended or is locked: nobody is in front any more.
    void left(Mode& mode);
    // What a pmosd before this one knew, oldest first. front null: who was there has ended.
    void adopt(Mode* front, std::vector<Mode*> before);

    Mode* foreground() const noexcept { return foreground_; }
    // Who comes back when the foreground mode ends: the last that was in front before and still can
    // be; may be null.
    Mode* previous() const;
    bool busy() const noexcept { return busy_; }
    // What the last switch did and how long each step took, in order; empty: there was none.
    const std::vector<StepTime>& last() const noexcept { return *last_; }

  private:
    struct Wanted {
        Mode* target = nullptr;
        std::vector<Done> done;
    };
    void begin(Wanted wanted);
    void ended(Wanted wanted, Result<> result);
    std::vector<SequenceStep> steps(Mode* target);
    void add_leaving(std::vector<SequenceStep>& steps, Mode& outgoing);
    void add_coming(std::vector<SequenceStep>& steps, Mode& target);
    Result<> may_come(Mode& target) const;
    void start(Mode& target, Done done);
    SequenceStep foreground_step(Mode* outgoing, Mode* target);
    void freeze(Mode& mode, Done done);
    void thaw(Mode& mode, Done done);
    void let_run(Mode& mode, Done done);
    void set_foreground(Mode* mode);
    void tell_front();
    void forget(const Mode& mode);
    void remember();
    void left_running(Mode& mode);
    void mark_for_call(Mode& mode, bool for_call);
    void settle_call_now(Mode& mode, Done done);

    Context& ctx_;
    std::vector<DeviceOwner*> owners_;
    std::function<void()> front_changed_, left_empty_;
    std::function<void(Mode&, Done)> ensure_started_;
    bool busy_ = false;
    std::optional<Wanted> next_;
    Mode* foreground_ = nullptr;
    std::vector<Mode*> before_;  // who was in front before, each once, the last one last
    std::vector<std::pair<std::string, std::string>> untold_;  // from whom to whom
    EventSource tell_later_;
    Mode* leaving_ = nullptr;    // of the switch that is under way
    std::set<Mode*> unsettled_;  // of whom a call may have come or gone meanwhile
    std::shared_ptr<std::vector<StepTime>> last_ = std::make_shared<std::vector<StepTime>>();
};

}  // namespace pmos::daemon
