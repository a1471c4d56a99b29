// network: peers that are known by name: where they are is asked when the tunnel is up, and again
// while they do not answer.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "runtime/network/part.h"
#include "runtime/network/tunnel.h"

namespace pmos::network {
namespace {

using namespace std::chrono_literals;
constexpr auto kFirstDelay = 5s, kDelay = 60s;
// WireGuard refuses a session that is older, and so has asked for another before.
constexpr std::uint64_t kSilent = 180;

using Found = std::pair<PublicKey, IpPrefix>;

// As the phone's routes are now; nothing is sent.
bool has_way(const IpPrefix& address) {
    const UniqueFd fd(::socket(address.v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto bytes = address_bytes(address);
    sockaddr_in6 six{};
    sockaddr_in four{};
    six.sin6_family = AF_INET6;
    four.sin_family = AF_INET;
    six.sin6_port = four.sin_port = htons(9);
    std::memcpy(address.v6 ? static_cast<void*>(&six.sin6_addr) : &four.sin_addr, bytes.data(),
                bytes.size());
    const auto* const place = address.v6 ? reinterpret_cast<const sockaddr*>(&six)
                                         : reinterpret_cast<const sockaddr*>(&four);
    return fd && ::connect(fd.get(), place, address.v6 ? sizeof six : sizeof four) == 0;
}

}  // namespace

bool Tunnel::has_names() const {
    return std::ranges::any_of(plan_.peers,
                               [](const auto& peer) { return !address_of(peer.host); });
}

void Tunnel::look_again_in(std::chrono::seconds delay) {
    next_look_ = loop_.after(delay, [this] { look(); });
}

// A mode that sends nothing misses nobody, and wakes nobody; but where there is no way to where a
// peer was found it is looked for again, for what cannot be sent is not counted.
void Tunnel::look() {
    const auto link = parts_->room.links.find(kModeLink);
    if (!link) return look_again_in(kDelay);
    if (!*link) return;
    const auto sent = (*link)->sent + (*link)->unsent;
    const bool speaks = sent != std::exchange(sent_before_, sent);
    const bool strayed =
        std::ranges::any_of(found_, [](const auto& one) { return !has_way(one.second); });
    if (attempts_ == 0 && !speaks && !strayed) return look_again_in(kDelay);
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
        const auto at = std::ranges::find(found_, peer.public_key, &Found::first);
        const bool strayed = at != found_.end() && !has_way(at->second);
        if (is_known && !strayed && (!speaks || one->handshake + kSilent >= now)) continue;
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
            // The uplink may have one family alone.
            if (std::ranges::any_of(found, has_way))
                std::erase_if(found, [](const auto& address) { return !has_way(address); });
            if (found.empty()) return;
            const Endpoint endpoint{found[attempts_ % found.size()], port};
            std::erase_if(found_, [&](const auto& one) { return one.first == key; });
            found_.emplace_back(key, endpoint.address);
            // A peer that is gone needs none.
            static_cast<void>(parts_->wireguard.set_endpoint(index_, key, endpoint));
        });
}

}  // namespace pmos::network
