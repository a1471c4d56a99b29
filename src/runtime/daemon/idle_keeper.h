// daemon: what keeps the phone's screen on. Knows nothing of D-Bus; decides nothing.
#pragma once

#include <string>

namespace pmos::daemon {

class IdleKeeper {
  public:
    virtual ~IdleKeeper() = default;
    // For the sake of this mode, and of no other any more; "": of none.
    virtual void keep_awake(const std::string& mode) = 0;
    // Why it cannot; "": it can.
    virtual std::string why_not() const = 0;
};

}  // namespace pmos::daemon
