// daemon: the device nodes that a mode may use in the foreground only, opened and shut to it as its
// plan says. Chooses no node.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/daemon/denials.h"
#include "runtime/daemon/device_owner.h"
#include "runtime/daemon/fd_store.h"
#include "runtime/device/revoker.h"

namespace pmos::daemon {

// What a plan's device filter is in front and behind. Loaded once, attached any number of times.
struct DeviceFilters {
    UniqueFd front;
    UniqueFd behind;  // empty: the same

    BorrowedFd of(bool in_front) const {
        return in_front || !behind ? front.borrow() : behind.borrow();
    }
};

class DeviceGate : public DeviceOwner {
  public:
    explicit DeviceGate(const Denials& denials) : denials_(denials) {}
    // What an earlier pmosd took away stays away: its descriptors are taken out of `kept`.
    void begin(std::vector<KeptDescriptor>& kept);
    // Why an open device cannot be taken from a mode that runs on; empty where it can.
    const std::string& why_not() const noexcept { return why_not_; }

    Result<std::shared_ptr<const DeviceFilters>> load(const policy::LaunchPlan& plan);

    // From now on the mode opens nothing of what is for the foreground; or may again.
    Result<> deny(Mode& mode);
    Result<> allow(Mode& mode);
    // The plan that counts for the mode from now on, which differs in its devices. Where that fails
    // the one before does.
    Result<> exchange(Mode& mode, std::shared_ptr<const policy::LaunchPlan> plan);
    // Neither holds nor gets any of it; at once, where the switchboard is not asked.
    Result<> shut(Mode& mode);
    // Its cgroup is about to go.
    void forget(const Mode& mode);

    // The kernel refuses every use of what it has open. Also to one that stays frozen behind
    // another: it goes on for a while when it is stopped, or unlocked. Where the kernel cannot,
    // only such a one has devices.
    void revoke(Mode& mode, Done done) override;
    void grant(Mode& mode, Done done) override;

  private:
    Result<> attach(Mode& mode, bool in_front);
    Result<> take_away(Mode& mode);
    void give_back(const Mode& mode, std::uint64_t cgroup);
    void keep();

    const Denials& denials_;
    std::optional<device::Revoker> revoker_;
    std::string why_not_;
    bool kept_ = false;
};

// Whether its plan has a node that is for the foreground only.
bool has_foreground_devices(const Mode& mode);

}  // namespace pmos::daemon
