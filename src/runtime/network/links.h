// network: links, addresses, routes and neighbours by rtnetlink. Decides nothing; knows no mode.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/network/netlink.h"
#include "runtime/network/prefix.h"

namespace pmos::network {

using Mac = std::array<std::uint8_t, 6>;

struct Link {
    int index = 0;
    std::string name, alias;
    std::string kind;  // "veth", "wireguard"; "" of hardware
    int peer = 0;      // of a veth: the other end's index, in its namespace
    bool up = false;
    std::uint64_t received = 0, sent = 0;  // bytes
    std::uint64_t unsent = 0;              // packets that were to be, and were not
};

// Of one namespace, that in which the socket was made. All of them fail by naming what they were
// at.
class Links {
  public:
    explicit Links(Netlink socket) : socket_(std::move(socket)) {}
    // In the namespace that the process is in.
    static Result<Links> open();

    Result<std::vector<Link>> all() const;
    // nullopt: there is none by that name.
    Result<std::optional<Link>> find(const std::string& name) const;
    // Of this namespace, in all routing tables, but those of its own loopback addresses: addresses
    // and what routes lead to.
    Result<std::vector<IpPrefix>> used() const;

    // Both ends are down, have no address, and speak no ARP.
    struct Wire {
        std::string name, peer_name;
        Mac mac{}, peer_mac{};
        BorrowedFd peer_netns;
    };
    Result<> make_wire(const Wire& wire) const;
    // Down, in that namespace; what it encrypts goes out by this one.
    Result<> make_tunnel(const std::string& name, std::uint32_t mtu, BorrowedFd netns) const;
    Result<> set_alias(int index, const std::string& alias) const;
    // No link-local address of IPv6, and with it no neighbour discovery.
    Result<> set_no_own_address(int index) const;
    Result<> set_up(int index, bool up) const;
    Result<> remove(int index) const;

    // What is there already is put right.
    Result<> add_address(int index, const IpPrefix& address) const;
    Result<> add_neighbour(int index, const IpPrefix& address, const Mac& mac) const;
    Result<> add_route(const IpPrefix& to, int index, const IpPrefix* gateway) const;

  private:
    Netlink socket_;
};

// A link as a message of RTNLGRP_LINK has it.
Link link_of(const Answer& message);

}  // namespace pmos::network
