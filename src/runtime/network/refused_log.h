// network: what the rules of a mode refuse, as the kernel logs it (nfnetlink_log). Tells; refuses
// nothing itself, and nothing hangs on it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "policy/network_plan.h"
#include "runtime/event/loop.h"
#include "runtime/network/netlink.h"
#include "runtime/network/refused_tally.h"

namespace pmos::network {

class RefusedLog {
  public:
    using Told = std::function<void(const Refusal&)>;
    // Of the namespace that the process is in. The plan is there as long as this.
    static Result<std::unique_ptr<RefusedLog>> make(event::EventLoop& loop, std::string mode,
                                                    const policy::NetworkPlan& plan, Told told);
    // Something that the kernel did not refuse. The mode is filled in.
    void add(Refusal refusal);
    RefusedLog(const RefusedLog&) = delete;
    RefusedLog& operator=(const RefusedLog&) = delete;

  private:
    RefusedLog(event::EventLoop& loop, std::string mode, const policy::NetworkPlan& plan, Told told,
               Netlink socket)
        : loop_(loop),
          mode_(std::move(mode)),
          plan_(plan),
          told_(std::move(told)),
          socket_(std::move(socket)) {}
    void hear();
    void take(const nlmsghdr& message);
    void tell(Refusal refusal) const;
    void count_on();

    event::EventLoop& loop_;
    std::string mode_;
    const policy::NetworkPlan& plan_;
    Told told_;
    Netlink socket_;
    RefusedTally tally_;
    event::EventSource readable_, turn_;
};

}  // namespace pmos::network
