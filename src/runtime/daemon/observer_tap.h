// daemon: hears of every change of a mode that is told outside, and passes all of it on.
#pragma once

#include <functional>

#include "runtime/daemon/context.h"

namespace pmos::daemon {

class ObserverTap : public Observer {
  public:
    ObserverTap(Observer& outer, std::function<void()> changed)
        : outer_(outer), changed_(std::move(changed)) {}
    void mode_changed(const Mode& mode) override {
        changed_();
        outer_.mode_changed(mode);
    }
    void foreground_changed() override { outer_.foreground_changed(); }
    void progress(const Mode& mode, std::string_view operation, std::uint32_t permille,
                  std::string_view step) override {
        outer_.progress(mode, operation, permille, step);
    }
    void event(std::string_view kind, std::string_view mode, const Details& details,
               Audience audience) override {
        outer_.event(kind, mode, details, audience);
    }

  private:
    Observer& outer_;
    std::function<void()> changed_;
};

}  // namespace pmos::daemon
