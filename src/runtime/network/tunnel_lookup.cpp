// network: peers that are known by name: where they are is asked when the tunnel is up, and again
// while they do not answer.
#include <algorithm>
#include <ctime>

#include "runtime/network/part.h"
#include "runtime/network/tunnel.h"

namespace pmos::network {
namespace {

using namespace std::chrono_literals;
constexpr auto kFirstDelay = 5s, kDelay = 60s;
// WireGuard refuses a session that is older, and so has asked for another before.
constexpr std::uint64_t kSilent = 180;

}  // namespace

bool Tunnel::has_names() const {
    return std::ranges::any_of(plan_.peers,
                               [](const auto& peer) { return !address_of(peer.host); });
}

void Tunnel::look_again_in(std::chrono::seconds delay) {
    next_look_ = loop_.after(delay, [this] { look(); });
}

// A mode that sends nothing misses nobody, and wakes nobody.
void Tunnel::look() {
    const auto link = parts_->room.links.find(kModeLink);
    if (!link) return look_again_in(kDelay);
    if (!*link) return;
    const bool speaks = (*link)->sent != std::exchange(sent_before_, (*link)->sent);
    if (attempts_ == 0 && !speaks) return look_again_in(kDelay);
    run_key({"show"}, {}, [this, alive = alive_, speaks](Result<std::string> said) {
        if (!*alive) return;
        const auto state = said ? read_state(*said) : std::nullopt;
        if (state) return look_up_silent(*state, speaks);
        look_again_in(kDelay);
    });
}

void Tunnel::look_up_silent(const TunnelState& state, bool speaks) {
    const auto now = static_cast<std::uint64_t>(std::time(nullptr));
    bool silent = false;
    for (const auto& peer : plan_.peers) {
        if (address_of(peer.host)) continue;
        const auto one = std::ranges::find(state.peers, peer.public_key, &PeerState::public_key);
        const bool is_known = one != state.peers.end() && !one->endpoint.empty();
        if (is_known && (!speaks || one->handshake + kSilent >= now)) continue;
        silent = true;
        look_up(peer);
    }
    const auto delay = kFirstDelay * (1 << std::min<std::size_t>(attempts_, 4));
    attempts_ = silent ? attempts_ + 1 : 0;
    look_again_in(silent ? std::min<std::chrono::seconds>(delay, kDelay) : kDelay);
}

// Of several addresses each in turn.
void Tunnel::look_up(const policy::TunnelPeer& peer) {
    run(programs_.lookup, {peer.host}, {}, {},
        [this, alive = alive_, key = peer.public_key, port = peer.port](Result<std::string> said) {
            if (!*alive || !said) return;
            std::vector<IpPrefix> found;
            for (std::string_view text = *said; !text.empty();) {
                const auto line = text.substr(0, text.find('\n'));
                if (const auto address = address_of(std::string(line))) found.push_back(*address);
                text.remove_prefix(std::min(line.size() + 1, text.size()));
            }
            if (found.empty()) return;
            const Endpoint endpoint{found[attempts_ % found.size()], port};
            // A peer that is gone needs none.
            static_cast<void>(parts_->wireguard.set_endpoint(index_, key, endpoint));
        });
}

}  // namespace pmos::network
