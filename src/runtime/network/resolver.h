// network: a mode's resolver as pmos-net has it: its process, which is started again when it dies,
// and what its answers open. It is believed what a name leads to, and nothing else.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "policy/connection.h"
#include "runtime/event/loop.h"
#include "runtime/event/process.h"
#include "runtime/network/dns_line.h"
#include "runtime/network/name_sets.h"
#include "runtime/network/place.h"

namespace pmos::network {

class Resolver {
  public:
    using Refused =
        std::function<void(const std::string& name, const policy::ConnectionVerdict& why)>;
    // Behind the rules, which stand. netns and plan stay the caller's, and are there for as long as
    // this.
    Resolver(event::EventLoop& loop, const Phone& phone, std::string program, std::string mode,
             BorrowedFd netns, const policy::NetworkPlan& plan, Refused refused);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    Result<> start();
    // The rules have been loaded anew, and their sets are empty.
    Result<> open_again();
    // By which the mode reaches it; "": by none that is known still.
    std::string name_of(const policy::IpPrefix& address) const;

  private:
    struct Known {
        std::string name;
        // The line by which it is reached, nullptr where none is needed, and CLOCK_BOOTTIME in
        // seconds.
        std::map<const policy::FlowRule*, std::uint64_t> until;
    };
    bool may_be(const policy::IpPrefix& address) const;
    Result<> spawn();
    void hear();
    void settle(const DnsReport& report);
    Result<> open(const DnsReport& report);
    Result<> load(std::span<const NameSets::Place> places) const;
    void ended();
    void spawn_again();
    void forget_old(std::uint64_t now);

    event::EventLoop& loop_;
    const Phone& phone_;
    std::string program_, mode_;
    BorrowedFd netns_;
    const policy::NetworkPlan& plan_;
    policy::NameRules rules_;
    NameSets sets_;
    Refused refused_;
    std::optional<Room> room_;
    std::map<policy::IpPrefix, Known> known_;
    // Bound here, so that a question before it listens waits, as one does while there is none.
    UniqueFd datagrams_, listener_;
    event::Spawned process_;
    UniqueFd line_;
    event::EventSource on_line_, on_end_, again_;
    std::size_t heard_ = 0;  // in this turn
    std::chrono::steady_clock::time_point turn_began_{};
    event::EventSource turn_;
    std::size_t deaths_ = 0;  // since it last said something
};

}  // namespace pmos::network
