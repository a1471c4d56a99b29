// network: WireGuard's messages of generic netlink, and what is said of an interface. The private
// key is in no memory but its caller's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/network_plan.h"
#include "runtime/network/attributes.h"
#include "runtime/network/netlink.h"
#include "runtime/network/prefix.h"

namespace pmos::network {

inline constexpr std::size_t kKeySize = 32;
using PublicKey = std::array<std::uint8_t, kKeySize>;
std::string base64(std::span<const std::uint8_t> bytes);

struct Endpoint {
    IpPrefix address;
    std::uint16_t port = 0;
    friend bool operator==(const Endpoint&, const Endpoint&) = default;
};
std::string endpoint_text(const Endpoint& endpoint);
// nullopt: the host is a name, which has to be looked up.
std::optional<IpPrefix> address_of(const std::string& host);

// An interface, and the number that the kernel has given to WireGuard's family.
struct Device {
    std::uint16_t family = 0;
    std::uint32_t index = 0;
};

// The message that gives an interface its key, in `into`, which is to be locked memory. Empty: it
// does not fit.
std::span<std::byte> key_message(std::span<std::byte> into, const Device& device,
                                 std::span<const std::byte, kKeySize> key);
// The message that gives one of its peers, who may not be there yet, their preshared key; as above.
std::span<std::byte> preshared_message(std::span<std::byte> into, const Device& device,
                                       std::span<const std::byte, kKeySize> peer,
                                       std::span<const std::byte, kKeySize> key);
// The question for all that is known of an interface; the answer has its keys in it.
std::span<std::byte> state_message(std::span<std::byte> into, const Device& device);

// A message takes so many prefixes; what is more comes in the next, which only adds.
inline constexpr std::size_t kPrefixesAtOnce = 48;
enum class Turn { first, next };
void write_peer(Request& request, const Device& device, const policy::TunnelPeer& peer,
                std::span<const IpPrefix> prefixes, const Endpoint* endpoint, Turn turn);
void write_endpoint(Request& request, const Device& device, const PublicKey& peer,
                    const Endpoint& endpoint);
void write_removal(Request& request, const Device& device, std::span<const std::uint8_t> peer);

struct PeerState {
    PublicKey public_key{};
    bool preshared = false;                               // there is such a key of it
    std::string endpoint;                                 // "": none yet
    std::uint64_t handshake = 0, received = 0, sent = 0;  // seconds of CLOCK_REALTIME, bytes
    friend bool operator==(const PeerState&, const PeerState&) = default;
};
struct TunnelState {
    bool has_key = false;
    std::vector<PeerState> peers;
    friend bool operator==(const TunnelState&, const TunnelState&) = default;
};
// Adds what one message of the answer says; of a key only that there is one.
void add_state(TunnelState& state, const nlmsghdr& message);
// As pmos-net-key hands it on.
std::string state_text(const TunnelState& state);
std::optional<TunnelState> read_state(std::string_view text);

// The socket by which a mode's interface is set up; made in its namespace.
class WireGuard {
  public:
    static Result<WireGuard> open();
    std::uint16_t family() const noexcept { return family_; }
    // Adds it, or puts it right; without an endpoint it keeps what it has.
    Result<> set_peer(std::uint32_t index, const policy::TunnelPeer& peer,
                      const Endpoint* endpoint) const;
    Result<> set_endpoint(std::uint32_t index, const PublicKey& peer,
                          const Endpoint& endpoint) const;
    Result<> remove_peer(std::uint32_t index, std::span<const std::uint8_t> peer) const;

  private:
    WireGuard(Netlink socket, std::uint16_t family) : socket_(std::move(socket)), family_(family) {}
    Netlink socket_;
    std::uint16_t family_;
};

}  // namespace pmos::network
