// tests: a phone in a namespace of its own, with an uplink to a peer in another, and modes.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "base/fd.h"
#include "policy/network_plan.h"
#include "runtime/network/place.h"

// Why a part of the tests could not run on this kernel; "" when all did.
std::string& test_not_run();

template <class T>
struct Catch::StringMaker<pmos::Result<T>> {
    static std::string convert(const pmos::Result<T>& result) {
        return result ? "done" : result.error().message();
    }
};

namespace pmos::network {

// "192.0.2.0/24"; an address is a prefix of its own length.
IpPrefix prefix(const std::string& text);
policy::FlowRule flow(const std::string& to, policy::Protocol protocol = policy::Protocol::any,
                      unsigned first = 0, unsigned last = 65535);
policy::NetworkPlan direct();
policy::NetworkPlan restricted(std::vector<policy::FlowRule> allow);

// The peer has 192.0.2.1, 198.51.100.1 to .3, 2001:db8::1 and 2001:db8:1::1 to ::3; the phone
// 192.0.2.2 and 2001:db8::2.
struct World {
    World();
    UniqueFd mode() const;  // a namespace for one

    Phone phone;
    UniqueFd peer;
    bool gone(const std::string& mode, BorrowedFd netns) const;  // nothing of it is left
    std::string tables() const;                                  // of the phone, a line each
};

// errno, or 0: in a namespace, or where the process is.
struct Connection {
    UniqueFd fd;
    int error = 0;
};
UniqueFd listen_in(const World& world, BorrowedFd netns, const std::string& address, int port,
                   int type = 1 /* SOCK_STREAM */);
// A link that has just come up may lose what is sent first, and TCP sends it again in a second.
inline constexpr int kPatientMs = 5000, kShortMs = 500;
Connection connect_in(const World& world, BorrowedFd netns, const std::string& address, int port,
                      int patience_ms = kPatientMs);
// What is said comes out at the other end's accepted socket, and back.
bool talks(const Connection& connection, BorrowedFd accepted);
UniqueFd accept_from(BorrowedFd listener);
// A datagram from the mode, a few times where it does not come; the peer's sender address.
std::string datagram(const World& world, BorrowedFd netns, BorrowedFd receiver,
                     const std::string& address, int port);
// The same, from an address that is the sender's for this moment only.
std::string spoofed(const World& world, BorrowedFd netns, BorrowedFd receiver,
                    const std::string& from, const std::string& address, int port);
// How many of so many datagrams, of 8,000 bytes, get past the rules of the mode.
int flood(const World& world, BorrowedFd netns, const std::string& address, int port, int count);

// Of the phone, below /proc/sys/net.
std::string setting(const std::string& path);

}  // namespace pmos::network
