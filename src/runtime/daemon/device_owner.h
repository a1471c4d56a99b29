// daemon: who has a class of devices in hand that the modes use in turn. What the switchboard needs
// of it; the owners stand elsewhere.
#pragma once

#include "runtime/daemon/loop.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

class DeviceOwner {
  public:
    DeviceOwner() = default;
    DeviceOwner(const DeviceOwner&) = delete;
    DeviceOwner& operator=(const DeviceOwner&) = delete;
    virtual ~DeviceOwner() = default;

    // The mode stands still, and can open nothing of the class any more. Answers when nothing of it
    // reaches what the mode has open; revoked twice is revoked.
    virtual void revoke(Mode& mode, Done done) = 0;
    // Nobody has it: what the last mode left on it, as on a panel, goes before another comes.
    virtual void repaint(Done done) { done({}); }
    virtual void grant(Mode& mode, Done done) = 0;
};

}  // namespace pmos::daemon
