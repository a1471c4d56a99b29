// network: who has what network. Of what stands the kernel knows more than this, which is told
// again after each of its starts.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "policy/network_plan.h"
#include "runtime/network/clock_watch.h"
#include "runtime/network/place.h"
#include "runtime/network/refused_log.h"
#include "runtime/network/resolver.h"
#include "runtime/network/traffic.h"
#include "runtime/network/tunnel.h"
#include "runtime/network/watch.h"

namespace pmos::network {

struct NetworkState {
    std::uint64_t received = 0, sent = 0;  // by the mode, bytes
    std::uint64_t spent = 0;               // of today's volume, where it has one
    std::vector<PeerState> peers;
};

class Keeper {
  public:
    // run: as Phone has it.
    static Result<std::unique_ptr<Keeper>> make(event::EventLoop& loop, Programs programs,
                                                std::string run = "");
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;

    // As protocol.h says.
    void connect(const std::string& mode, UniqueFd netns, policy::NetworkPlan plan, UniqueFd key,
                 event::Done done);
    Result<> disconnect(const std::string& mode, UniqueFd netns = {});
    Result<> keep(const std::vector<std::string>& modes);
    void status(const std::string& mode, event::Answer<NetworkState> answer);
    Result<TrafficTable> connections(const std::string& mode) const;
    void on_lost(std::function<void(const std::string& mode, const std::string& why)> lost) {
        lost_ = std::move(lost);
    }
    void on_refused(std::function<void(const Refusal&)> refused) { refused_ = std::move(refused); }
    // Its volume of the day, with so many bytes, is used up.
    void on_spent(std::function<void(const std::string& mode, std::uint64_t volume)> spent) {
        told_spent_ = std::move(spent);
    }
    // Not all that is to be told of the mode can be.
    void on_deaf(std::function<void(const std::string& mode, const std::string& why)> deaf) {
        deaf_ = std::move(deaf);
    }

  private:
    struct Held {
        UniqueFd netns;
        policy::NetworkPlan plan;
        std::unique_ptr<Tunnel> tunnel;
        std::unique_ptr<Watch> watch;
        std::unique_ptr<RefusedLog> refused;
        std::unique_ptr<Resolver> resolver;
        std::string day;                      // whose volume its rules have
        bool used_up = false;                 // that volume, and it was told
        bool tells_used_up = false;           // or is to be, once it stands
        bool making = false, stands = false;  // neither: it has been cut off
        std::string meddled;                  // what another did to it while it was being made
    };
    Keeper(event::EventLoop& loop, Phone phone, Programs programs)
        : loop_(loop), phone_(std::move(phone)), programs_(std::move(programs)) {}
    Result<> begin(const std::string& mode, Held& held);
    void made(const std::string& mode, Result<> so_far, event::Done done);
    Result<> take_away(const std::string& mode, const Held& held);
    Result<> watch_phone();
    void clock_changed();
    Result<> start_resolver(const std::string& mode, Held& held);
    Result<Spent> spent_today(const std::string& mode, BorrowedFd netns) const;
    Result<Spent> begin_volume(const std::string& mode, Held& held);
    void volume_spent(const std::string& mode);
    void remember_volume(const std::string& mode, const Held& held);
    void look_at_volume(const std::string& mode);
    void look_at_the_day();
    void count_traffic(const std::string& mode, const Held& held);
    void listen_for_refusals(const std::string& mode, Held& held);
    Result<> watch_mode(const std::string& mode, Held& held);
    void look_at_links();
    void phone_changed(const Changed& changed);
    void load_again(const std::string& mode, Held& held);
    Result<bool> is_right(const std::string& mode, const Held& held) const;
    void cut(const std::string& mode, Held& held, std::string why);

    event::EventLoop& loop_;
    Phone phone_;
    Programs programs_;
    std::map<std::string, Held> held_;
    std::unique_ptr<Watch> watch_;
    std::unique_ptr<ClockWatch> clock_;
    std::map<std::string, Spent> spent_;  // when that was looked at last
    event::EventSource next_day_;
    using Told = std::function<void(const std::string&, const std::string&)>;
    Told lost_ = [](const auto&, const auto&) {};
    Told deaf_ = lost_;
    std::function<void(const std::string&, std::uint64_t)> told_spent_ = [](const auto&, auto) {};
    std::function<void(const Refusal&)> refused_ = [](const Refusal&) {};
};

}  // namespace pmos::network
