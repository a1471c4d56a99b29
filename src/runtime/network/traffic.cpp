// network: the connections of a mode, counted per destination. Pure.
#include "runtime/network/traffic.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <algorithm>

#include "policy/destination.h"

namespace pmos::network {
namespace {

using policy::IpPrefix;

void take_address(const Attribute& a, bool v6, std::optional<IpPrefix>& out) {
    const std::size_t size = v6 ? 16 : 4;
    if (a.bytes().size() != size) return;
    out.emplace();
    out->v6 = v6;
    out->length = static_cast<std::uint8_t>(size * 8);
    std::ranges::copy(a.bytes(), out->bytes.begin());
}

struct Tuple {
    std::optional<IpPrefix> from, to;
    std::uint8_t number = 0;
    std::uint16_t port = 0;
};

void read_ip(Bytes bytes, Tuple& tuple) {
    each_attribute(bytes, [&](const Attribute& a) {
        if (a.type() == CTA_IP_V4_SRC) take_address(a, false, tuple.from);
        if (a.type() == CTA_IP_V4_DST) take_address(a, false, tuple.to);
        if (a.type() == CTA_IP_V6_SRC) take_address(a, true, tuple.from);
        if (a.type() == CTA_IP_V6_DST) take_address(a, true, tuple.to);
    });
}

void read_protocol(Bytes bytes, Tuple& tuple) {
    each_attribute(bytes, [&](const Attribute& a) {
        if (a.type() == CTA_PROTO_NUM) tuple.number = a.value<std::uint8_t>();
        if (a.type() == CTA_PROTO_DST_PORT) tuple.port = ntohs(a.value<std::uint16_t>());
    });
}

Tuple read_tuple(Bytes bytes) {
    Tuple tuple;
    each_attribute(bytes, [&](const Attribute& a) {
        if (a.type() == CTA_TUPLE_IP) read_ip(a.bytes(), tuple);
        if (a.type() == CTA_TUPLE_PROTO) read_protocol(a.bytes(), tuple);
    });
    return tuple;
}

std::uint64_t read_bytes(Bytes bytes) {
    std::uint64_t count = 0;
    each_attribute(bytes, [&](const Attribute& a) {
        if (a.type() == CTA_COUNTERS_BYTES) count = be64toh(a.value<std::uint64_t>());
    });
    return count;
}

std::string protocol_word(std::uint8_t number) {
    switch (number) {
        case IPPROTO_TCP:
            return "tcp";
        case IPPROTO_UDP:
            return "udp";
        case IPPROTO_ICMP:
        case IPPROTO_ICMPV6:
            return "icmp";
        default:
            return std::to_string(number);
    }
}

}  // namespace

std::optional<Tracked> read_tracked(Bytes attributes) {
    Tuple tuple;
    Tracked made;
    each_attribute(attributes, [&](const Attribute& a) {
        if (a.type() == CTA_TUPLE_ORIG) tuple = read_tuple(a.bytes());
        if (a.type() == CTA_COUNTERS_ORIG) made.forth = read_bytes(a.bytes());
        if (a.type() == CTA_COUNTERS_REPLY) made.back = read_bytes(a.bytes());
    });
    if (!tuple.from || !tuple.to) return std::nullopt;
    made.from = *tuple.from;
    made.to = *tuple.to;
    made.number = tuple.number;
    made.port = tuple.port;
    return made;
}

bool Traffic::is_own(const IpPrefix& address) const {
    return policy::is_loopback(address) || std::ranges::any_of(own_, [&](const IpPrefix& own) {
               return own.v6 == address.v6 && own.bytes == address.bytes;
           });
}

void Traffic::add(const Tracked& one) {
    const bool inbound = is_own(one.to);
    if (one.from == one.to || (inbound && is_own(one.from))) return;
    const Key key{inbound, one.number, inbound ? one.from : one.to, one.port};
    auto at = sums_.find(key);
    if (at == sums_.end()) {
        if (sums_.size() >= kMostKept) {
            ++others_;
            return;
        }
        at = sums_.emplace(key, Sum{}).first;
    }
    ++at->second.connections;
    at->second.sent += inbound ? one.back : one.forth;
    at->second.received += inbound ? one.forth : one.back;
}

TrafficTable Traffic::table() const {
    TrafficTable made;
    made.others = others_;
    std::vector<const std::pair<const Key, Sum>*> all;
    for (const auto& entry : sums_) all.push_back(&entry);
    std::ranges::stable_sort(all, std::ranges::greater{}, [](const auto* entry) {
        const Sum& sum = entry->second;
        return std::tuple(sum.sent + sum.received, sum.connections);
    });
    for (const auto* entry : all) {
        const auto& [inbound, number, address, port] = entry->first;
        const Sum& sum = entry->second;
        if (made.rows.size() >= kMostTold) {
            made.others += sum.connections;
            continue;
        }
        made.rows.push_back({inbound, protocol_word(number), policy::to_text(address), port, "",
                             sum.connections, sum.sent, sum.received});
    }
    return made;
}

}  // namespace pmos::network
