// network: a mode's WireGuard interface: made and set up, taken over, taken away.
#include "runtime/network/tunnel.h"

#include <algorithm>

#include "runtime/network/forwarding.h"
#include "runtime/network/part.h"

namespace pmos::network {
namespace {

using namespace std::chrono_literals;
// Whoever has the key writes it into the pipe at once.
constexpr auto kPatience = 30s;

bool is_ours(const std::optional<Link>& link, const std::string& mode) {
    return link && link->kind == "wireguard" && link->alias == mode;
}

}  // namespace

Tunnel::Tunnel(event::EventLoop& loop, const Phone& phone, const Programs& programs,
               std::string mode, BorrowedFd netns, policy::TunnelPlan plan)
    : loop_(loop),
      phone_(phone),
      programs_(programs),
      mode_(std::move(mode)),
      netns_(netns),
      plan_(std::move(plan)) {}

Result<> Tunnel::open() {
    PMOS_ASSIGN(auto room, Room::open(phone_.home, netns_));
    PMOS_ASSIGN(auto wireguard, phone_.home.inside(netns_, [] { return WireGuard::open(); }));
    parts_.emplace(std::move(room), std::move(wireguard));
    return {};
}

void Tunnel::connect(UniqueFd key, event::Done done) {
    done_ = std::move(done);
    const bool is_new = static_cast<bool>(key);
    auto ready = open();
    if (ready) ready = is_new ? make() : take();
    if (!ready) return finish(std::move(ready));
    const auto needs = std::ranges::count_if(plan_.peers, &policy::TunnelPeer::preshared);
    if (is_new)
        return run_key({"set", std::to_string(needs)}, std::move(key),
                       [this, alive = alive_](Result<std::string> said) {
                           if (*alive) finish(said ? set_peers({}) : fail(std::move(said.error())));
                       });
    run_key({"show"}, {}, [this, alive = alive_](Result<std::string> said) {
        if (!*alive) return;
        if (!said) return finish(fail(std::move(said.error())));
        const auto state = read_state(*said);
        if (!state || !state->has_key)
            return finish(fail(Code::not_found, "the tunnel that stands has no private key"));
        if (const auto* bare = without_preshared_key(*state); bare != nullptr)
            return finish(fail(Code::not_found, "the tunnel that stands has no preshared key of " +
                                                    base64(bare->public_key)));
        auto set = remove_strangers(*state);
        finish(set ? set_peers(*state) : std::move(set));
    });
}

Result<> Tunnel::make() {
    const auto& links = parts_->room.links;
    PMOS_TRY(parts_->room.remove_links());
    PMOS_TRY(phone_.links.make_tunnel(kModeLink, plan_.mtu, netns_));
    PMOS_ASSIGN(const auto made, links.find(kModeLink));
    if (!made) return fail(Code::not_found, "the tunnel's interface is gone");
    index_ = static_cast<std::uint32_t>(made->index);
    return links.set_alias(made->index, mode_);
}

Result<> Tunnel::take() {
    PMOS_ASSIGN(const auto standing, parts_->room.links.find(kModeLink));
    if (!is_ours(standing, mode_))
        return fail(Code::not_found, "there is no tunnel to take over, and no private key");
    index_ = static_cast<std::uint32_t>(standing->index);
    return {};
}

Result<> Tunnel::remove_strangers(const TunnelState& state) {
    for (const auto& peer : state.peers) {
        const bool known = std::ranges::any_of(
            plan_.peers, [&](const auto& ours) { return ours.public_key == peer.public_key; });
        if (!known) PMOS_TRY(parts_->wireguard.remove_peer(index_, peer.public_key));
    }
    return {};
}

// A peer that is to have one, and has none.
const policy::TunnelPeer* Tunnel::without_preshared_key(const TunnelState& state) const {
    const auto has = [&](const policy::TunnelPeer& peer) {
        return std::ranges::any_of(state.peers, [&](const PeerState& one) {
            return one.public_key == peer.public_key && one.preshared;
        });
    };
    const auto at = std::ranges::find_if(
        plan_.peers, [&](const auto& peer) { return peer.preshared && !has(peer); });
    return at == plan_.peers.end() ? nullptr : &*at;
}

// Where a peer has gone to in the meantime it is known to be.
Result<> Tunnel::set_peers(const TunnelState& known) {
    for (const auto& peer : plan_.peers) {
        const bool has_endpoint = std::ranges::any_of(known.peers, [&](const PeerState& one) {
            return one.public_key == peer.public_key && !one.endpoint.empty();
        });
        const auto address = address_of(peer.host);
        const Endpoint endpoint{address.value_or(IpPrefix{}), peer.port};
        PMOS_TRY(parts_->wireguard.set_peer(index_, peer,
                                            address && !has_endpoint ? &endpoint : nullptr));
    }
    return set_up();
}

Result<> Tunnel::set_up() {
    const auto& links = parts_->room.links;
    const int index = static_cast<int>(index_);
    PMOS_TRY(links.set_no_own_address(index));
    for (const auto& address : plan_.addresses) {
        if (address.v6 && !has_ipv6())
            return fail(Code::unsupported, "this kernel has no IPv6, and the tunnel has");
        PMOS_TRY(links.add_address(index, address));
    }
    PMOS_TRY(links.set_up(index, true));
    for (const auto& peer : plan_.peers)
        for (const auto& prefix : peer.allowed_ips)
            if (!prefix.v6 || has_ipv6()) PMOS_TRY(links.add_route(prefix, index, nullptr));
    return {};
}

void Tunnel::finish(Result<> so_far) {
    if (so_far && has_names()) look_again_in(0s);
    if (!so_far && parts_ && index_ != 0) {
        auto undone = parts_->room.links.remove(static_cast<int>(std::exchange(index_, 0)));
        if (!undone) so_far.error().undo_failures.push_back(std::move(undone.error()));
    }
    if (auto done = std::exchange(done_, nullptr)) done(std::move(so_far));
}

void Tunnel::stop() {
    next_look_.reset();
    for (const auto& helper : helpers_) helper.kill();
    helpers_.clear();
    *std::exchange(alive_, std::make_shared<bool>(true)) = false;
    if (auto done = std::exchange(done_, nullptr))
        done(fail(Code::cancelled, "the mode's network was taken away meanwhile"));
}

void Tunnel::state(event::Answer<TunnelState> answer) {
    if (!parts_ || index_ == 0)
        return answer(fail(Code::not_found, "the mode's tunnel does not stand"));
    run_key({"show"}, {}, [answer = std::move(answer)](Result<std::string> said) mutable {
        if (!said) return answer(fail(std::move(said.error())));
        auto state = read_state(*said);
        if (!state) return answer(fail(Code::failed, "pmos-net-key said what it never says"));
        answer(std::move(*state));
    });
}

// By a socket of its own: on one that is shared, the key may come to who asked something else.
void Tunnel::run_key(std::vector<std::string> words, UniqueFd input, Ran ran) {
    const auto socket = phone_.home.inside(netns_, [] { return Netlink::open(NETLINK_GENERIC); });
    if (!socket) return ran(fail(socket.error()));
    words.insert(words.begin() + 1,
                 {std::to_string(parts_->wireguard.family()), std::to_string(index_)});
    run(programs_.key, std::move(words), std::move(input), socket->fd(), std::move(ran));
}

void Tunnel::run(std::string program, std::vector<std::string> args, UniqueFd input,
                 BorrowedFd socket, Ran ran) {
    event::RunRequest request;
    request.spawn.path = program;
    request.spawn.args = std::move(args);
    if (socket) request.spawn.descriptors = {{}, {}, {}, socket};
    request.input_fd = std::move(input);
    request.timeout = kPatience;
    auto answer = [program, ran = std::move(ran)](Result<event::RunResult> result) mutable {
        if (!result) return ran(fail(std::move(result.error())));
        if (result->timed_out) return ran(fail(Code::timed_out, "'" + program + "' took too long"));
        if (result->code != 0)
            return ran(fail(Code::failed, "'" + program + "' failed", result->error_text));
        ran(std::move(result->output));
    };
    std::erase_if(helpers_, [](const auto& helper) { return helper.ended(); });
    const auto alive = alive_;
    auto helper = event::run_helper(loop_, std::move(request), std::move(answer));
    // One that cannot be started has answered already, and that may have been the end of this.
    if (*alive) helpers_.push_back(std::move(helper));
}

}  // namespace pmos::network
