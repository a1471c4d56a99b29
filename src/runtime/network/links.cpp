// network: links, addresses, routes and neighbours by rtnetlink. Decides nothing; knows no mode.
#include "runtime/network/links.h"

#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include "runtime/network/attributes.h"
#include "runtime/network/forwarding.h"

namespace pmos::network {
namespace {

constexpr std::uint16_t kMake = NLM_F_CREATE | NLM_F_EXCL;
constexpr std::uint16_t kReplace = NLM_F_CREATE | NLM_F_REPLACE;

std::uint8_t family_of(const IpPrefix& prefix) { return prefix.v6 ? AF_INET6 : AF_INET; }

std::string kind_in(Bytes info) {
    std::string kind;
    each_attribute(info, [&](const Attribute& a) {
        if (a.type() == IFLA_INFO_KIND) kind = a.text();
    });
    return kind;
}

template <class Header>
void add_prefixes(const std::vector<Answer>& answers, std::uint16_t type,
                  std::uint8_t Header::*length, std::vector<IpPrefix>& out) {
    for (const auto& one : answers)
        each_attribute_of(*one.get(), sizeof(Header), [&](const Attribute& a) {
            if (a.type() != type) return;
            if (auto p = prefix_of(a.bytes(), one.header<Header>().*length)) out.push_back(*p);
        });
}

void put_kind(Request& request, std::string_view kind) {
    nlattr* const info = request.open(IFLA_LINKINFO);
    request.put(IFLA_INFO_KIND, kind);
    request.close(info);
}

Request& change(Request& request, int index) {
    request.header<ifinfomsg>().ifi_index = index;
    return request;
}

}  // namespace

Link link_of(const Answer& message) {
    Link link;
    link.index = message.header<ifinfomsg>().ifi_index;
    link.up = (message.header<ifinfomsg>().ifi_flags & IFF_UP) != 0;
    each_attribute_of(*message.get(), sizeof(ifinfomsg), [&](const Attribute& a) {
        if (a.type() == IFLA_IFNAME) link.name = a.text();
        if (a.type() == IFLA_IFALIAS) link.alias = a.text();
        if (a.type() == IFLA_LINK) link.peer = a.value<int>();
        if (a.type() == IFLA_LINKINFO) link.kind = kind_in(a.bytes());
        if (a.type() != IFLA_STATS64) return;
        const auto stats = a.value<rtnl_link_stats64>();
        link.received = stats.rx_bytes;
        link.sent = stats.tx_bytes;
        link.unsent = stats.tx_errors + stats.tx_dropped;
    });
    return link;
}

Result<Links> Links::open() {
    PMOS_ASSIGN(auto socket, Netlink::open(NETLINK_ROUTE));
    return Links(std::move(socket));
}

Result<std::vector<Link>> Links::all() const {
    Request request(RTM_GETLINK, NLM_F_DUMP);
    request.header<ifinfomsg>();
    PMOS_ASSIGN(const auto answers, socket_.ask(request, "cannot list the links"));
    std::vector<Link> links;
    for (const auto& answer : answers)
        if (answer.get()->nlmsg_type == RTM_NEWLINK) links.push_back(link_of(answer));
    return links;
}

Result<std::optional<Link>> Links::find(const std::string& name) const {
    PMOS_ASSIGN(auto links, all());
    for (auto& link : links)
        if (link.name == name) return std::optional(std::move(link));
    return std::optional<Link>();
}

Result<std::vector<IpPrefix>> Links::used() const {
    std::vector<IpPrefix> used;
    Request addresses(RTM_GETADDR, NLM_F_DUMP);
    addresses.header<ifaddrmsg>();
    PMOS_ASSIGN(const auto of_links, socket_.ask(addresses, "cannot list the addresses"));
    add_prefixes(of_links, IFA_ADDRESS, &ifaddrmsg::ifa_prefixlen, used);
    Request routes(RTM_GETROUTE, NLM_F_DUMP);
    routes.header<rtmsg>();
    PMOS_ASSIGN(const auto all_routes, socket_.ask(routes, "cannot list the routes"));
    add_prefixes(all_routes, RTA_DST, &rtmsg::rtm_dst_len, used);
    return used;
}

Result<> Links::make_wire(const Wire& wire) const {
    Request request(RTM_NEWLINK, kMake);
    auto& header = request.header<ifinfomsg>();
    header.ifi_flags = header.ifi_change = IFF_NOARP;
    request.put(IFLA_IFNAME, wire.name);
    request.put(IFLA_ADDRESS, wire.mac);
    nlattr* const info = request.open(IFLA_LINKINFO);
    request.put(IFLA_INFO_KIND, std::string_view("veth"));
    nlattr* const data = request.open(IFLA_INFO_DATA);
    nlattr* const peer = request.open(VETH_INFO_PEER);
    auto& other = *static_cast<ifinfomsg*>(request.extra(sizeof(ifinfomsg)));
    other.ifi_flags = other.ifi_change = IFF_NOARP;
    request.put(IFLA_IFNAME, wire.peer_name);
    request.put(IFLA_ADDRESS, wire.peer_mac);
    request.put(IFLA_NET_NS_FD, static_cast<std::uint32_t>(wire.peer_netns.get()));
    request.close(peer);
    request.close(data);
    request.close(info);
    return socket_.tell(request, "cannot make the wire '" + wire.name + "'");
}

Result<> Links::make_tunnel(const std::string& name, std::uint32_t mtu, BorrowedFd netns) const {
    Request request(RTM_NEWLINK, kMake);
    request.header<ifinfomsg>();
    request.put(IFLA_IFNAME, name);
    if (mtu != 0) request.put(IFLA_MTU, mtu);
    request.put(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns.get()));
    put_kind(request, "wireguard");
    auto made = socket_.tell(request, "cannot make a WireGuard interface");
    if (!made && made.error().code == Code::unsupported)
        made.error().fix = "a tunnel needs a kernel with WireGuard (CONFIG_WIREGUARD)";
    return made;
}

Result<> Links::set_alias(int index, const std::string& alias) const {
    Request request(RTM_NEWLINK, 0);
    change(request, index).put(IFLA_IFALIAS, alias);
    return socket_.tell(request, "cannot name a link's owner");
}

Result<> Links::set_no_own_address(int index) const {
    if (!has_ipv6()) return {};
    Request request(RTM_NEWLINK, 0);
    change(request, index);
    nlattr* const families = request.open(IFLA_AF_SPEC);
    nlattr* const v6 = request.open(AF_INET6);
    request.put_byte(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    request.close(v6);
    request.close(families);
    return socket_.tell(request, "cannot keep a link from making addresses");
}

Result<> Links::set_up(int index, bool up) const {
    Request request(RTM_NEWLINK, 0);
    auto& header = request.header<ifinfomsg>();
    header.ifi_index = index;
    header.ifi_change = IFF_UP;
    header.ifi_flags = up ? IFF_UP : 0;
    return socket_.tell(request, up ? "cannot set a link up" : "cannot set a link down");
}

Result<> Links::remove(int index) const {
    Request request(RTM_DELLINK, 0);
    auto gone = socket_.tell(change(request, index), "cannot remove a link");
    // With its namespace, or by another's hand.
    return !gone && gone.error().sys_errno == ENODEV ? Result<>() : gone;
}

Result<> Links::add_address(int index, const IpPrefix& address) const {
    Request request(RTM_NEWADDR, kReplace);
    auto& header = request.header<ifaddrmsg>();
    header.ifa_family = family_of(address);
    header.ifa_prefixlen = address.length;
    header.ifa_index = static_cast<std::uint32_t>(index);
    if (address.v6) request.put(IFA_FLAGS, std::uint32_t{IFA_F_NODAD});
    request.put(IFA_LOCAL, address_bytes(address));
    request.put(IFA_ADDRESS, address_bytes(address));
    return socket_.tell(request, "cannot add the address " + prefix_text(address));
}

Result<> Links::add_neighbour(int index, const IpPrefix& address, const Mac& mac) const {
    Request request(RTM_NEWNEIGH, kReplace);
    auto& header = request.header<ndmsg>();
    header.ndm_family = family_of(address);
    header.ndm_ifindex = index;
    header.ndm_state = NUD_PERMANENT;
    request.put(NDA_DST, address_bytes(address));
    request.put(NDA_LLADDR, mac);
    return socket_.tell(request, "cannot add the neighbour " + address_text(address));
}

Result<> Links::add_route(const IpPrefix& to, int index, const IpPrefix* gateway) const {
    const IpPrefix target = [&] {
        IpPrefix first = first_of(to);
        first.length = to.length;
        return first;
    }();
    Request request(RTM_NEWROUTE, kReplace);
    auto& header = request.header<rtmsg>();
    header.rtm_family = family_of(target);
    header.rtm_dst_len = target.length;
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_scope = gateway == nullptr && !target.v6 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    header.rtm_type = RTN_UNICAST;
    if (target.length > 0) request.put(RTA_DST, address_bytes(target));
    if (gateway != nullptr) request.put(RTA_GATEWAY, address_bytes(*gateway));
    request.put(RTA_OIF, static_cast<std::uint32_t>(index));
    return socket_.tell(request, "cannot add the route to " + prefix_text(target));
}

}  // namespace pmos::network
