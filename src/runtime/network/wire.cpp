// network: a wire from a mode's namespace to the phone, with all that belongs to it.
#include "runtime/network/wire.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "runtime/network/forwarding.h"
#include "runtime/network/part.h"
#include "runtime/network/rules.h"

namespace pmos::network {
namespace {

using policy::NetworkPlan;

bool is_wire(const Link& link) { return part_number(link.name).has_value(); }

Result<> stop_forwarding_for_nobody(const Phone& phone) {
    PMOS_ASSIGN(const auto links, phone.links.all());
    return std::ranges::any_of(links, is_wire) ? Result<>() : stop_forwarding(phone.nft, phone.run);
}

// A mode's wire is one whose ends are each other's.
std::optional<Part> standing_part(const std::vector<Link>& phone, const std::string& mode,
                                  const std::optional<Link>& inner) {
    std::optional<Part> found;
    for (const auto& link : phone) {
        if (!is_wire(link) || link.alias != mode) continue;
        if (found || !inner || link.kind != "veth" || inner->kind != "veth" ||
            link.peer != inner->index || inner->peer != link.index)
            return std::nullopt;
        found = part_of(*part_number(link.name));
    }
    return found;
}

// The kernel remembers the connections of a wire that has ended, by its addresses: these come back
// after all others.
unsigned next_number() {
    static unsigned next = [] {
        unsigned first = 0;
        return ::getrandom(&first, sizeof first, 0) == sizeof first ? first % kParts : 0;
    }();
    return std::exchange(next, (next + 1) % kParts);
}

Result<Part> choose_part(const Phone& phone) {
    PMOS_ASSIGN(const auto links, phone.links.all());
    PMOS_ASSIGN(const auto used, phone.links.used());
    std::vector<unsigned> taken;
    for (const auto& link : links)
        if (const auto number = part_number(link.name)) taken.push_back(*number);
    if (const auto part = free_part(taken, used, next_number())) return *part;
    return fail(Code::failed, "no addresses are left for a wire",
                "the phone has addresses or routes in all of 198.18.0.0/15 or "
                "fd70:6d6f:7300::/48",
                "see 'ip route show table all' and 'ip address'");
}

Result<> make_link(const Phone& phone, const Part& part, const std::string& mode,
                   BorrowedFd netns) {
    PMOS_TRY(phone.links.make_wire({part.link(), kModeLink, kPhoneMac, kModeMac, netns}));
    PMOS_ASSIGN(const auto made, phone.links.find(part.link()));
    if (!made) return fail(Code::not_found, "the wire '" + part.link() + "' is gone");
    PMOS_TRY(phone.links.set_alias(made->index, mode));
    return has_ipv6() ? allow_ipv6(part.link()) : Result<>();
}

// The two ends in turn; each knows the other, and asks nobody.
Result<> set_addresses(const Links& links, int index, const IpPrefix& own, const IpPrefix& other,
                       const Mac& other_mac) {
    PMOS_TRY(links.add_address(index, own));
    PMOS_TRY(links.set_up(index, true));
    return links.add_neighbour(index, other, other_mac);
}

Result<> set_up(const Phone& phone, const Room& room, const Part& part) {
    PMOS_ASSIGN(const auto outer, phone.links.find(part.link()));
    PMOS_ASSIGN(const auto inner, room.links.find(kModeLink));
    if (!outer || !inner) return fail(Code::not_found, "the wire '" + part.link() + "' is gone");
    PMOS_TRY(phone.links.set_no_own_address(outer->index));
    PMOS_TRY(room.links.set_no_own_address(inner->index));
    for (const bool v6 : {false, true}) {
        if (v6 && !has_ipv6()) continue;
        const auto& theirs = v6 ? part.phone6 : part.phone4;
        const auto& ours = v6 ? part.mode6 : part.mode4;
        PMOS_TRY(set_addresses(phone.links, outer->index, theirs, ours, kModeMac));
        PMOS_TRY(set_addresses(room.links, inner->index, ours, theirs, kPhoneMac));
        IpPrefix everywhere;
        everywhere.v6 = v6;
        PMOS_TRY(room.links.add_route(everywhere, inner->index, &theirs));
    }
    return {};
}

Result<> remove_outer(const Phone& phone, const std::string& mode, const std::vector<Link>& links) {
    for (const auto& link : links)
        if (is_wire(link) && link.alias == mode) PMOS_TRY(phone.links.remove(link.index));
    return {};
}

// Also by a kernel that cannot count connections (CONFIG_NFT_CONNLIMIT).
Result<> forward_for(const Phone& phone, const std::string& mode, const Part& part,
                     const NetworkPlan& plan) {
    auto done = forward(phone.nft, phone.run, wire_rules(mode, part, plan, true));
    if (done || forward(phone.nft, phone.run, wire_rules(mode, part, plan, false))) return {};
    return done;
}

Result<> connect(const Phone& phone, const Room& room, const std::string& mode, BorrowedFd netns,
                 const NetworkPlan& plan, const Spent& spent) {
    PMOS_ASSIGN(const auto links, phone.links.all());
    PMOS_ASSIGN(const auto inner, room.links.find(kModeLink));
    auto part = standing_part(links, mode, inner);
    const bool stands = part.has_value();
    if (!stands) {
        // Of what is no wire, before other rules take the place of its own.
        PMOS_TRY(remove_outer(phone, mode, links));
        PMOS_TRY(room.remove_links());
        PMOS_ASSIGN(part, choose_part(phone));
    }
    PMOS_TRY(room.guard(plan, phone.resolver_user, spent));
    PMOS_TRY(forward_for(phone, mode, *part, plan));
    if (!stands) PMOS_TRY(make_link(phone, *part, mode, netns));
    return set_up(phone, room, *part);
}

void attach(Error& error, Result<> undone) {
    if (!undone) error.undo_failures.push_back(std::move(undone.error()));
}

}  // namespace

Result<> connect_wire(const Phone& phone, const std::string& mode, BorrowedFd netns,
                      const NetworkPlan& plan, const Spent& spent) {
    PMOS_ASSIGN(const auto room, Room::open(phone.home, netns));
    auto done = connect(phone, room, mode, netns, plan, spent);
    if (done) return done;
    attach(done.error(), disconnect_wire(phone, mode));
    attach(done.error(), room.clear());
    return done;
}

Result<> disconnect_wire(const Phone& phone, const std::string& mode) {
    PMOS_ASSIGN(const auto links, phone.links.all());
    PMOS_TRY(remove_outer(phone, mode, links));
    PMOS_TRY(
        phone.nft.remove(kWireFamily, wire_table(mode), "cannot remove the rules of the wire"));
    return stop_forwarding_for_nobody(phone);
}

Result<> keep_wires(const Phone& phone, std::span<const std::string> modes) {
    const auto is_kept = [&](std::string_view mode) {
        return std::ranges::find(modes, mode) != modes.end();
    };
    PMOS_ASSIGN(const auto links, phone.links.all());
    for (const auto& link : links)
        if (is_wire(link) && !is_kept(link.alias)) PMOS_TRY(phone.links.remove(link.index));
    const auto ours = fmt::format("{} {}", kWireFamily, kWireTablePrefix);
    PMOS_ASSIGN(const auto tables, phone.nft.tables());
    for (const auto& table : tables) {
        if (!table.starts_with(ours) || is_kept(table.substr(ours.size()))) continue;
        PMOS_TRY(phone.nft.remove(kWireFamily, wire_table(table.substr(ours.size())),
                                  "cannot remove the rules of a wire"));
    }
    return stop_forwarding_for_nobody(phone);
}

Result<bool> wire_stands(const Phone& phone, const Links& inner, const std::string& mode) {
    PMOS_ASSIGN(const auto links, phone.links.all());
    PMOS_ASSIGN(const auto end, inner.find(kModeLink));
    const auto part = standing_part(links, mode, end);
    return part && end->up && std::ranges::any_of(links, [&](const Link& link) {
               return link.name == part->link() && link.up;
           });
}

Result<std::optional<Link>> wire_of(const Phone& phone, const std::string& mode) {
    PMOS_ASSIGN(auto links, phone.links.all());
    for (auto& link : links)
        if (is_wire(link) && link.alias == mode) return std::optional(std::move(link));
    return std::optional<Link>();
}

}  // namespace pmos::network
