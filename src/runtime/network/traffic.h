// network: the connections of a mode, counted per destination. Pure. A mode has as many as it likes
// to as many places as it likes: what is kept of them is bounded.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "policy/network_plan.h"
#include "runtime/network/attributes.h"

namespace pmos::network {

// One connection, as its first packet went.
struct Tracked {
    policy::IpPrefix from, to;          // all bits of each
    std::uint8_t number = 0;            // of its protocol
    std::uint16_t port = 0;             // of who was called; of what has none 0
    std::uint64_t forth = 0, back = 0;  // bytes
};
// Of one message of ctnetlink's; nullopt: there are no addresses in it.
std::optional<Tracked> read_tracked(Bytes attributes);

struct TrafficRow {
    bool inbound = false;
    std::string protocol;    // "tcp", "udp", "icmp" or a number
    std::string address;     // of the other end
    std::uint16_t port = 0;  // of who was called
    std::string name;        // of the DNS, by which the mode knows it; "": none is known
    std::uint32_t connections = 0;
    std::uint64_t sent = 0, received = 0;  // by the mode, bytes
};
struct TrafficTable {
    std::vector<TrafficRow> rows;  // the one with the most bytes first
    std::uint64_t others = 0;      // connections that are in none of them
};

class Traffic {
  public:
    static constexpr std::size_t kMostKept = 16384, kMostTold = 256;  // of different destinations

    // own: the addresses of the mode at which it can be called.
    explicit Traffic(std::vector<policy::IpPrefix> own) : own_(std::move(own)) {}
    // What the mode says to itself is none.
    void add(const Tracked& connection);
    TrafficTable table() const;

  private:
    using Key = std::tuple<bool, std::uint8_t, policy::IpPrefix, std::uint16_t>;
    struct Sum {
        std::uint32_t connections = 0;
        std::uint64_t sent = 0, received = 0;
    };
    bool is_own(const policy::IpPrefix& address) const;

    std::vector<policy::IpPrefix> own_;
    std::map<Key, Sum> sums_;
    std::uint64_t others_ = 0;
};

}  // namespace pmos::network
