// network: a mode's WireGuard interface: made and set up, looked after while it stands. It keeps no
// key, and waits for nobody: what takes time is done by helpers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "policy/network_plan.h"
#include "runtime/event/loop.h"
#include "runtime/event/process.h"
#include "runtime/network/place.h"
#include "runtime/network/wireguard.h"

namespace pmos::network {

struct Programs {
    std::string key, lookup, dns;
};

class Tunnel {
  public:
    // netns stays the caller's, and is there for as long as this.
    Tunnel(event::EventLoop& loop, const Phone& phone, const Programs& programs, std::string mode,
           BorrowedFd netns, policy::TunnelPlan plan);
    ~Tunnel() { stop(); }
    Tunnel(const Tunnel&) = delete;
    Tunnel& operator=(const Tunnel&) = delete;

    // Behind the rules, which stand. With a key: made, of what is there nothing stays. Without:
    // what stands is taken over. After an error there is no interface.
    void connect(UniqueFd key, event::Done done);
    // No helper runs any more; connect is answered. The interface stays as it is.
    void stop();
    void state(event::Answer<TunnelState> answer);

  private:
    struct Parts {
        Room room;
        WireGuard wireguard;
    };
    using Ran = event::Answer<std::string>;  // what it said
    Result<> open();
    Result<> make();
    Result<> take();
    const policy::TunnelPeer* without_preshared_key(const TunnelState& state) const;
    Result<> remove_strangers(const TunnelState& state);
    Result<> set_peers(const TunnelState& known);
    Result<> set_up();
    void finish(Result<> so_far);
    // words: what it is to do, and what for.
    void run_key(std::vector<std::string> words, UniqueFd input, Ran ran);
    void run(std::string program, std::vector<std::string> args, UniqueFd input, BorrowedFd socket,
             Ran ran);

    void look_again_in(std::chrono::seconds delay);
    void look();
    void look_up_silent(const TunnelState& state, bool speaks);
    void look_up(const policy::TunnelPeer& peer);
    bool has_names() const;

    event::EventLoop& loop_;
    const Phone& phone_;
    const Programs& programs_;
    std::string mode_;
    BorrowedFd netns_;
    policy::TunnelPlan plan_;
    std::optional<Parts> parts_;
    std::uint32_t index_ = 0;
    event::Done done_;
    std::vector<event::HelperHandle> helpers_;
    event::EventSource next_look_;
    std::uint64_t sent_before_ = 0;
    std::vector<std::pair<PublicKey, IpPrefix>> found_;  // of peers with a name
    std::size_t attempts_ = 1;                           // since the peers were last heard of
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pmos::network
