// tests: WireGuard's messages, byte by byte, without a kernel; and a tunnel where there is one that
// has it.
#include "runtime/network/wireguard.h"

#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <sys/socket.h>

#include <array>
#include <catch2/catch.hpp>
#include <map>

#include "runtime/network/part.h"
#include "runtime/network/tunnel.h"
#include "world.h"

using namespace pmos;
using namespace pmos::network;
using namespace std::chrono_literals;

namespace {

constexpr Device kDevice{42, 7};
using Parts = std::multimap<std::uint16_t, Bytes>;

Parts parts_of(Bytes bytes) {
    Parts parts;
    each_attribute(bytes, [&](const Attribute& a) { parts.emplace(a.type(), a.bytes()); });
    return parts;
}
Parts parts_of(const nlmsghdr& message) {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(&message);
    return parts_of(Bytes(begin, message.nlmsg_len).subspan(NLMSG_HDRLEN + GENL_HDRLEN));
}
Parts peer_of(const nlmsghdr& message) {
    const auto peers = parts_of(parts_of(message).find(WGDEVICE_A_PEERS)->second);
    REQUIRE(peers.size() == 1);
    return parts_of(peers.begin()->second);
}
std::uint8_t command_of(const nlmsghdr& message) {
    return reinterpret_cast<const genlmsghdr*>(&message + 1)->cmd;
}

policy::TunnelPeer peer_with(std::vector<IpPrefix> allowed) {
    policy::TunnelPeer peer;
    for (std::size_t i = 0; i < kKeySize; ++i) peer.public_key[i] = static_cast<std::uint8_t>(i);
    peer.allowed_ips = std::move(allowed);
    peer.keepalive = 25;
    return peer;
}

}  // namespace

TEST_CASE("the key lies in memory of the caller's, in one message") {
    alignas(nlmsghdr) std::array<std::byte, 512> memory{};
    std::array<std::byte, kKeySize> key{};
    key.fill(std::byte{0x5a});
    const auto bytes = key_message(memory, kDevice, key);
    const auto& message = *reinterpret_cast<const nlmsghdr*>(memory.data());
    REQUIRE(bytes.size() == message.nlmsg_len);
    CHECK(message.nlmsg_type == 42);
    CHECK(message.nlmsg_flags == (NLM_F_REQUEST | NLM_F_ACK));
    CHECK(command_of(message) == WG_CMD_SET_DEVICE);
    const auto parts = parts_of(message);
    CHECK(parts.size() == 2);
    CHECK(parts.find(WGDEVICE_A_IFINDEX)->second[0] == 7);
    const auto put = parts.find(WGDEVICE_A_PRIVATE_KEY)->second;
    CHECK(std::vector(put.begin(), put.end()) == std::vector<std::uint8_t>(kKeySize, 0x5a));
    CHECK(key_message(std::span(memory).first(64), kDevice, key).empty());
    CHECK(command_of(*reinterpret_cast<const nlmsghdr*>(state_message(memory, kDevice).data())) ==
          WG_CMD_GET_DEVICE);
}

TEST_CASE("a preshared key comes with its peer, in memory of the caller's") {
    alignas(nlmsghdr) std::array<std::byte, 512> memory{};
    std::array<std::byte, kKeySize> peer{}, key{};
    peer.fill(std::byte{0x11});
    key.fill(std::byte{0x5a});
    const auto bytes = preshared_message(memory, kDevice, peer, key);
    const auto& message = *reinterpret_cast<const nlmsghdr*>(memory.data());
    REQUIRE(bytes.size() == message.nlmsg_len);
    CHECK(parts_of(message).find(WGDEVICE_A_IFINDEX)->second[0] == 7);
    const auto parts = peer_of(message);
    CHECK(parts.size() == 2);
    CHECK(parts.find(WGPEER_A_PUBLIC_KEY)->second[0] == 0x11);
    const auto put = parts.find(WGPEER_A_PRESHARED_KEY)->second;
    CHECK(std::vector(put.begin(), put.end()) == std::vector<std::uint8_t>(kKeySize, 0x5a));
    CHECK(preshared_message(std::span(memory).first(64), kDevice, peer, key).empty());
}

TEST_CASE("a peer has its prefixes, and an endpoint where one is known") {
    const auto peer = peer_with({prefix("10.0.0.0/8"), prefix("fd00::/8")});
    const Endpoint endpoint{prefix("2001:db8::9"), 51820};
    Request request(0, 0);
    write_peer(request, kDevice, peer, peer.allowed_ips, &endpoint, Turn::first);
    CHECK(request.get()->nlmsg_type == 42);
    const auto parts = peer_of(*request.get());
    CHECK(parts.find(WGPEER_A_FLAGS)->second[0] == WGPEER_F_REPLACE_ALLOWEDIPS);
    CHECK(parts.find(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL)->second.size() == 2);
    CHECK(parts.find(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL)->second[0] == 25);
    const auto address = parts.find(WGPEER_A_ENDPOINT)->second;
    CHECK(address.size() == 28);
    CHECK((address[2] << 8 | address[3]) == 51820);
    const auto allowed = parts_of(parts.find(WGPEER_A_ALLOWEDIPS)->second);
    REQUIRE(allowed.size() == 2);
    const auto six = parts_of(std::next(allowed.begin())->second);
    CHECK(six.find(WGALLOWEDIP_A_FAMILY)->second.size() == 2);
    CHECK(six.find(WGALLOWEDIP_A_FAMILY)->second[0] == AF_INET6);
    CHECK(six.find(WGALLOWEDIP_A_IPADDR)->second.size() == 16);
    CHECK(six.find(WGALLOWEDIP_A_CIDR_MASK)->second[0] == 8);

    Request more(0, 0);
    write_peer(more, kDevice, peer, peer.allowed_ips, nullptr, Turn::next);
    const auto next = peer_of(*more.get());
    CHECK(next.find(WGPEER_A_FLAGS)->second[0] == 0);
    CHECK(next.count(WGPEER_A_ENDPOINT) == 0);
}

TEST_CASE("as many prefixes as a message takes are written whole") {
    const auto peer = peer_with(std::vector<IpPrefix>(kPrefixesAtOnce, prefix("fd00::/8")));
    const Endpoint endpoint{prefix("2001:db8::9"), 51820};
    Request request(0, 0);
    write_peer(request, kDevice, peer, peer.allowed_ips, &endpoint, Turn::first);
    CHECK(request.get()->nlmsg_len <= 4096);
    CHECK(parts_of(peer_of(*request.get()).find(WGPEER_A_ALLOWEDIPS)->second).size() ==
          kPrefixesAtOnce);
}

TEST_CASE("endpoints are set and peers removed by their keys") {
    const auto peer = peer_with({});
    Request request(0, 0), removal(0, 0);
    write_endpoint(request, kDevice, peer.public_key, {prefix("192.0.2.9"), 51820});
    const auto parts = peer_of(*request.get());
    CHECK(parts.find(WGPEER_A_FLAGS)->second[0] == WGPEER_F_UPDATE_ONLY);
    CHECK(parts.find(WGPEER_A_ENDPOINT)->second.size() == 16);
    write_removal(removal, kDevice, peer.public_key);
    CHECK(peer_of(*removal.get()).find(WGPEER_A_FLAGS)->second[0] == WGPEER_F_REMOVE_ME);
}

TEST_CASE("what the kernel says of an interface comes over without its key") {
    Request message(0, 0);
    message.header<genlmsghdr>();
    message.put(WGDEVICE_A_PRIVATE_KEY, std::array<std::uint8_t, 3>{1, 2, 3});
    const auto peer = peer_with({});
    nlattr* const peers = message.open(WGDEVICE_A_PEERS);
    nlattr* const one = message.open(0);
    message.put(WGPEER_A_PUBLIC_KEY, peer.public_key);
    message.put(WGPEER_A_RX_BYTES, std::array<std::uint8_t, 8>{0, 1});
    message.put(WGPEER_A_PRESHARED_KEY, std::array<std::uint8_t, kKeySize>{0, 7});
    message.close(one);
    nlattr* const bare = message.open(0);
    message.put(WGPEER_A_PUBLIC_KEY, PublicKey{9});
    message.put(WGPEER_A_PRESHARED_KEY, PublicKey{});
    message.close(bare);
    nlattr* const again = message.open(0);
    message.put(WGPEER_A_PUBLIC_KEY, PublicKey{9});
    message.close(again);
    message.close(peers);
    TunnelState state;
    add_state(state, *message.get());
    CHECK(state.has_key);
    REQUIRE(state.peers.size() == 2);
    CHECK(state.peers[0].received == 256);
    CHECK(state.peers[0].preshared);
    CHECK_FALSE(state.peers[1].preshared);
    state.peers[0].endpoint = endpoint_text({prefix("2001:db8::9"), 51820});
    CHECK(state.peers[0].endpoint == "[2001:db8::9]:51820");
    CHECK(read_state(state_text(state)) == state);
    CHECK(read_state("no-key\n") == TunnelState{});
    for (const auto& text : {"", "nokey\n", "key\nab - 0 0 0\n", "key\nx\n"})
        CHECK_FALSE(read_state(text));
    CHECK(base64(std::array<std::uint8_t, 4>{0xff, 0xfe, 0, 1}) == "//4AAQ==");
    CHECK(address_of("192.0.2.1"));
    CHECK(address_of("2001:db8::1"));
    CHECK_FALSE(address_of("vpn.example"));
}

TEST_CASE("a tunnel is made where the kernel has WireGuard, and an error by name where not") {
    const World world;
    const auto mode = world.mode();
    auto loop = event::EventLoop::make();
    const Programs programs{NETWORK_KEY, NETWORK_LOOKUP, NETWORK_DNS};
    policy::TunnelPlan plan;
    plan.addresses = {prefix("10.9.0.2/32"), prefix("fd09::2/128")};
    plan.mtu = 1300;
    plan.peers = {peer_with({prefix("0.0.0.0/0"), prefix("::/0")})};
    plan.peers[0].host = "192.0.2.1";
    plan.peers[0].port = 51820;
    Tunnel tunnel(**loop, world.phone, programs, "anna", mode.borrow(), plan);
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const UniqueFd write_end(ends[1]);
    std::string key(kKeySize, '\x41');
    REQUIRE(::write(write_end.get(), key.data(), key.size()) == kKeySize);
    std::optional<Result<>> done;
    tunnel.connect(UniqueFd(ends[0]), [&](Result<> answer) { done = std::move(answer); });
    while (!done) sd_event_run((*loop)->get(), 1000000);
    const auto room = Room::open(world.phone.home, mode.borrow());
    const auto link = room->links.find(kModeLink);
    if (!*done && done->error().code == Code::unsupported) {
        CHECK(done->error().fix == "a tunnel needs a kernel with WireGuard (CONFIG_WIREGUARD)");
        CHECK_FALSE(*link);
        test_not_run() = "this kernel has no WireGuard: no tunnel was made";
        return;
    }
    REQUIRE(done->has_value());
    REQUIRE(*link);
    CHECK((*link)->up);
    CHECK((*link)->kind == "wireguard");
    std::optional<Result<TunnelState>> state;
    tunnel.state([&](Result<TunnelState> answer) { state = std::move(answer); });
    while (!state) sd_event_run((*loop)->get(), 1000000);
    REQUIRE(state->has_value());
    CHECK((*state)->has_key);
    REQUIRE((*state)->peers.size() == 1);
    CHECK((*state)->peers[0].endpoint == "192.0.2.1:51820");
    // Taken over by the next.
    Tunnel next(**loop, world.phone, programs, "anna", mode.borrow(), plan);
    done.reset();
    next.connect({}, [&](Result<> answer) { done = std::move(answer); });
    while (!done) sd_event_run((*loop)->get(), 1000000);
    CHECK(done->has_value());
    // What it encrypts goes out by the phone: to the peer, from the phone's address.
    const auto receiver = listen_in(world, world.peer.borrow(), "192.0.2.1", 51820, SOCK_DGRAM);
    CHECK(datagram(world, mode.borrow(), receiver.borrow(), "10.1.2.3", 53) == "192.0.2.2");
}
