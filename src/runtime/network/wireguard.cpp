// network: WireGuard's messages of generic netlink, and what is said of an interface.
#include "runtime/network/wireguard.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "base/verity.h"

namespace pmos::network {
namespace {

genlmsghdr header_of(std::uint8_t command) { return {command, WG_GENL_VERSION, 0}; }

// A message in memory of the caller's.
nlmsghdr* begin(std::span<std::byte> into, const Device& device, std::uint8_t command,
                std::uint16_t flags) {
    constexpr std::size_t kMost = 256;  // of any that is written so
    if (into.size() < kMost) return nullptr;
    nlmsghdr* const message = mnl_nlmsg_put_header(into.data());
    message->nlmsg_type = device.family;
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    message->nlmsg_seq = 1;
    *static_cast<genlmsghdr*>(mnl_nlmsg_put_extra_header(message, sizeof(genlmsghdr))) =
        header_of(command);
    mnl_attr_put_u32(message, WGDEVICE_A_IFINDEX, device.index);
    return message;
}

void put_endpoint(Request& request, const Endpoint& endpoint) {
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    if (endpoint.address.v6) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(endpoint.port);
        std::memcpy(&v6.sin6_addr, endpoint.address.bytes.data(), sizeof v6.sin6_addr);
        request.put(WGPEER_A_ENDPOINT, Bytes(reinterpret_cast<std::uint8_t*>(&v6), sizeof v6));
        return;
    }
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, endpoint.address.bytes.data(), sizeof v4.sin_addr);
    request.put(WGPEER_A_ENDPOINT, Bytes(reinterpret_cast<std::uint8_t*>(&v4), sizeof v4));
}

// One peer of the device; f puts what it is about.
template <class F>
void write_one(Request& request, const Device& device, std::span<const std::uint8_t> peer,
               std::uint32_t flags, F f) {
    request.get()->nlmsg_type = device.family;
    request.header<genlmsghdr>() = header_of(WG_CMD_SET_DEVICE);
    request.put(WGDEVICE_A_IFINDEX, device.index);
    nlattr* const peers = request.open(WGDEVICE_A_PEERS);
    nlattr* const one = request.open(0);
    request.put(WGPEER_A_PUBLIC_KEY, peer);
    request.put(WGPEER_A_FLAGS, flags);
    f();
    request.close(one);
    request.close(peers);
}

Endpoint endpoint_in(Bytes bytes) {
    Endpoint endpoint;
    sockaddr_in6 v6{};
    std::memcpy(&v6, bytes.data(), std::min(bytes.size(), sizeof v6));
    sockaddr_in v4{};
    std::memcpy(&v4, bytes.data(), std::min(bytes.size(), sizeof v4));
    endpoint.address.v6 = v6.sin6_family == AF_INET6;
    endpoint.port = ntohs(endpoint.address.v6 ? v6.sin6_port : v4.sin_port);
    endpoint.address.length = whole_length(endpoint.address.v6);
    if (endpoint.address.v6)
        std::memcpy(endpoint.address.bytes.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    else
        std::memcpy(endpoint.address.bytes.data(), &v4.sin_addr, sizeof v4.sin_addr);
    return endpoint;
}

// A key of zeros is the kernel's word for none.
bool is_key(Bytes bytes) {
    return std::ranges::any_of(bytes, [](auto byte) { return byte != 0; });
}

PeerState peer_in(Bytes attributes) {
    PeerState peer;
    each_attribute(attributes, [&](const Attribute& a) {
        if (a.type() == WGPEER_A_PRESHARED_KEY) peer.preshared = is_key(a.bytes());
        if (a.type() == WGPEER_A_PUBLIC_KEY) peer.public_key = a.value<PublicKey>();
        if (a.type() == WGPEER_A_ENDPOINT) peer.endpoint = endpoint_text(endpoint_in(a.bytes()));
        if (a.type() == WGPEER_A_LAST_HANDSHAKE_TIME) peer.handshake = a.value<std::uint64_t>();
        if (a.type() == WGPEER_A_RX_BYTES) peer.received = a.value<std::uint64_t>();
        if (a.type() == WGPEER_A_TX_BYTES) peer.sent = a.value<std::uint64_t>();
    });
    return peer;
}

bool read_number(std::string_view text, std::uint64_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

bool read_hex(std::string_view text, PublicKey& out) {
    if (text.size() != 2 * out.size()) return false;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const char* const begin = text.data() + 2 * i;
        const auto [end, error] = std::from_chars(begin, begin + 2, out[i], 16);
        if (error != std::errc() || end != begin + 2) return false;
    }
    return true;
}

std::vector<std::string_view> split(std::string_view text, char at) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        parts.push_back(text.substr(0, text.find(at)));
        text.remove_prefix(std::min(parts.back().size() + 1, text.size()));
    }
    return parts;
}

}  // namespace

std::string base64(std::span<const std::uint8_t> bytes) {
    constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
        std::uint32_t group = 0;
        for (std::size_t i = 0; i < 3; ++i)
            group = group << 8U | (i < count ? std::uint32_t{bytes[at + i]} : 0U);
        for (std::size_t i = 0; i < 4; ++i)
            out += i <= count ? kLetters[group >> (18 - 6 * i) & 63U] : '=';
    }
    return out;
}

std::string endpoint_text(const Endpoint& endpoint) {
    const auto address = address_text(endpoint.address);
    return endpoint.address.v6 ? fmt::format("[{}]:{}", address, endpoint.port)
                               : fmt::format("{}:{}", address, endpoint.port);
}

std::optional<IpPrefix> address_of(const std::string& host) {
    IpPrefix made;
    made.v6 = host.find(':') != std::string::npos;
    made.length = whole_length(made.v6);
    if (::inet_pton(made.v6 ? AF_INET6 : AF_INET, host.c_str(), made.bytes.data()) != 1)
        return std::nullopt;
    return made;
}

std::span<std::byte> key_message(std::span<std::byte> into, const Device& device,
                                 std::span<const std::byte, kKeySize> key) {
    nlmsghdr* const message = begin(into, device, WG_CMD_SET_DEVICE, NLM_F_ACK);
    if (message == nullptr) return {};
    mnl_attr_put(message, WGDEVICE_A_PRIVATE_KEY, key.size(), key.data());
    return into.first(message->nlmsg_len);
}

std::span<std::byte> preshared_message(std::span<std::byte> into, const Device& device,
                                       std::span<const std::byte, kKeySize> peer,
                                       std::span<const std::byte, kKeySize> key) {
    nlmsghdr* const message = begin(into, device, WG_CMD_SET_DEVICE, NLM_F_ACK);
    if (message == nullptr) return {};
    nlattr* const peers = mnl_attr_nest_start(message, WGDEVICE_A_PEERS);
    nlattr* const one = mnl_attr_nest_start(message, 0);
    mnl_attr_put(message, WGPEER_A_PUBLIC_KEY, peer.size(), peer.data());
    mnl_attr_put(message, WGPEER_A_PRESHARED_KEY, key.size(), key.data());
    mnl_attr_nest_end(message, one);
    mnl_attr_nest_end(message, peers);
    return into.first(message->nlmsg_len);
}

std::span<std::byte> state_message(std::span<std::byte> into, const Device& device) {
    nlmsghdr* const message = begin(into, device, WG_CMD_GET_DEVICE, NLM_F_DUMP);
    return message == nullptr ? std::span<std::byte>() : into.first(message->nlmsg_len);
}

void write_peer(Request& request, const Device& device, const policy::TunnelPeer& peer,
                std::span<const IpPrefix> prefixes, const Endpoint* endpoint, Turn turn) {
    const std::uint32_t flags = turn == Turn::first ? WGPEER_F_REPLACE_ALLOWEDIPS : 0;
    write_one(request, device, peer.public_key, flags, [&] {
        if (endpoint != nullptr) put_endpoint(request, *endpoint);
        const auto keepalive = std::bit_cast<std::array<std::uint8_t, 2>>(peer.keepalive);
        request.put(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, keepalive);
        nlattr* const list = request.open(WGPEER_A_ALLOWEDIPS);
        for (const auto& prefix : prefixes) {
            nlattr* const one = request.open(0);
            const auto family = static_cast<std::uint16_t>(prefix.v6 ? AF_INET6 : AF_INET);
            request.put(WGALLOWEDIP_A_FAMILY, std::bit_cast<std::array<std::uint8_t, 2>>(family));
            request.put(WGALLOWEDIP_A_IPADDR, address_bytes(prefix));
            request.put_byte(WGALLOWEDIP_A_CIDR_MASK, prefix.length);
            request.close(one);
        }
        request.close(list);
    });
}

void write_endpoint(Request& request, const Device& device, const PublicKey& peer,
                    const Endpoint& endpoint) {
    write_one(request, device, peer, WGPEER_F_UPDATE_ONLY,
              [&] { put_endpoint(request, endpoint); });
}

void write_removal(Request& request, const Device& device, std::span<const std::uint8_t> peer) {
    write_one(request, device, peer, WGPEER_F_REMOVE_ME, [] {});
}

void add_state(TunnelState& state, const nlmsghdr& message) {
    each_attribute_of(message, sizeof(genlmsghdr), [&](const Attribute& a) {
        if (a.type() == WGDEVICE_A_PRIVATE_KEY) state.has_key = is_key(a.bytes());
        if (a.type() != WGDEVICE_A_PEERS) return;
        each_attribute(a.bytes(), [&](const Attribute& one) {
            auto peer = peer_in(one.bytes());
            // One that did not fit into a message goes on in the next, with more prefixes.
            if (state.peers.empty() || state.peers.back().public_key != peer.public_key)
                state.peers.push_back(std::move(peer));
        });
    });
}

std::string state_text(const TunnelState& state) {
    std::string text = state.has_key ? "key\n" : "no-key\n";
    for (const auto& peer : state.peers)
        text += fmt::format(
            "{} {} {} {} {} {}\n", verity::to_hex(std::as_bytes(std::span(peer.public_key))),
            peer.preshared ? "preshared" : "-", peer.endpoint.empty() ? "-" : peer.endpoint,
            peer.handshake, peer.received, peer.sent);
    return text;
}

std::optional<TunnelState> read_state(std::string_view text) {
    const auto lines = split(text, '\n');
    if (lines.empty() || (lines[0] != "key" && lines[0] != "no-key")) return std::nullopt;
    TunnelState state;
    state.has_key = lines[0] == "key";
    for (const auto& line : std::span(lines).subspan(1)) {
        const auto words = split(line, ' ');
        PeerState peer;
        if (words.size() != 6 || !read_hex(words[0], peer.public_key) ||
            !read_number(words[3], peer.handshake) || !read_number(words[4], peer.received) ||
            !read_number(words[5], peer.sent))
            return std::nullopt;
        peer.preshared = words[1] == "preshared";
        if (words[2] != "-") peer.endpoint = words[2];
        state.peers.push_back(std::move(peer));
    }
    return state;
}

Result<WireGuard> WireGuard::open() {
    PMOS_ASSIGN(auto socket, Netlink::open(NETLINK_GENERIC));
    Request request(GENL_ID_CTRL, 0);
    request.header<genlmsghdr>() = {CTRL_CMD_GETFAMILY, 1, 0};
    request.put(CTRL_ATTR_FAMILY_NAME, std::string_view(WG_GENL_NAME));
    const auto answers = socket.ask(request, "cannot ask for WireGuard");
    std::uint16_t family = 0;
    if (answers)
        for (const auto& answer : *answers)
            each_attribute_of(*answer.get(), sizeof(genlmsghdr), [&](const Attribute& a) {
                if (a.type() == CTRL_ATTR_FAMILY_ID) family = a.value<std::uint16_t>();
            });
    if (family == 0)
        return fail(Code::unsupported, "this kernel has no WireGuard", "",
                    "a tunnel needs a kernel with WireGuard (CONFIG_WIREGUARD)");
    return WireGuard(std::move(socket), family);
}

Result<> WireGuard::set_peer(std::uint32_t index, const policy::TunnelPeer& peer,
                             const Endpoint* endpoint) const {
    std::span<const IpPrefix> left(peer.allowed_ips);
    for (auto turn = Turn::first; turn == Turn::first || !left.empty(); turn = Turn::next) {
        const auto now = left.first(std::min(left.size(), kPrefixesAtOnce));
        Request request(0, 0);
        write_peer(request, {family_, index}, peer, now, endpoint, turn);
        PMOS_TRY(socket_.tell(request, "cannot set the peer " + base64(peer.public_key)));
        left = left.subspan(now.size());
    }
    return {};
}

Result<> WireGuard::set_endpoint(std::uint32_t index, const PublicKey& peer,
                                 const Endpoint& endpoint) const {
    Request request(0, 0);
    write_endpoint(request, {family_, index}, peer, endpoint);
    return socket_.tell(request, "cannot set the endpoint of the peer " + base64(peer));
}

Result<> WireGuard::remove_peer(std::uint32_t index, std::span<const std::uint8_t> peer) const {
    Request request(0, 0);
    write_removal(request, {family_, index}, peer);
    return socket_.tell(request, "cannot remove the peer " + base64(peer));
}

}  // namespace pmos::network
