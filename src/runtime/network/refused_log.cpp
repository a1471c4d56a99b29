// network: what the rules of a mode refuse, as the kernel logs it. Refuses nothing itself.
#include "runtime/network/refused_log.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <sys/epoll.h>

#include <utility>

#include "policy/connection.h"
#include "policy/names.h"
#include "runtime/network/attributes.h"
#include "runtime/network/heard.h"
#include "runtime/network/packet.h"
#include "runtime/network/rules.h"

namespace pmos::network {
namespace {

using policy::ConnectionReason;

constexpr std::uint16_t type_of(unsigned message) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_ULOG << 8U | message);
}

template <class T>
void put(Request& request, std::uint16_t type, const T& value) {
    request.put(type, Bytes(reinterpret_cast<const std::uint8_t*>(&value), sizeof value));
}

// To this socket, from the group of the rules; what waits is sent together, after a tenth of a
// second at the latest.
Result<> bind_to_group(const Netlink& socket) {
    Request request(type_of(NFULNL_MSG_CONFIG), 0);
    auto& header = request.header<nfgenmsg>();
    header.nfgen_family = AF_UNSPEC;
    header.version = NFNETLINK_V0;
    header.res_id = htons(kLogGroup);
    put(request, NFULA_CFG_CMD, nfulnl_msg_config_cmd{NFULNL_CFG_CMD_BIND});
    put(request, NFULA_CFG_MODE, nfulnl_msg_config_mode{htonl(kLogBytes), NFULNL_COPY_PACKET, 0});
    put(request, NFULA_CFG_TIMEOUT, htonl(10));
    return socket.tell(request, "cannot hear of what is refused to the mode");
}

struct Logged {
    std::uint8_t hook = NF_INET_LOCAL_OUT;
    std::uint32_t uid = kNobody;
    std::optional<Packet> packet;
};

Logged read_logged(const nlmsghdr& message) {
    Logged logged;
    each_attribute_of(message, sizeof(nfgenmsg), [&](const Attribute& a) {
        if (a.type() == NFULA_PACKET_HDR) logged.hook = a.value<nfulnl_msg_packet_hdr>().hook;
        if (a.type() == NFULA_UID) logged.uid = ntohl(a.value<std::uint32_t>());
        if (a.type() == NFULA_PAYLOAD) logged.packet = read_packet(a.bytes());
    });
    return logged;
}

}  // namespace

Result<std::unique_ptr<RefusedLog>> RefusedLog::make(event::EventLoop& loop, std::string mode,
                                                     const policy::NetworkPlan& plan, Told told) {
    PMOS_ASSIGN(auto socket, Netlink::open(NETLINK_NETFILTER));
    PMOS_TRY(bind_to_group(socket));
    std::unique_ptr<RefusedLog> made(
        new RefusedLog(loop, std::move(mode), plan, std::move(told), std::move(socket)));
    made->readable_ =
        loop.on_io(made->socket_.fd(), EPOLLIN, [log = made.get()](std::uint32_t) { log->hear(); });
    if (!made->readable_) return fail(Code::no_space, "cannot hear of what is refused to the mode");
    return made;
}

void RefusedLog::hear() {
    const auto heard = network::hear(socket_.fd(), [this](const nlmsghdr& message) {
        if (message.nlmsg_type == type_of(NFULNL_MSG_PACKET)) take(message);
    });
    if (heard == Heard::missed) tally_.miss();
    count_on();
}

// The line is found as `net trace` finds it. Where the policy would let it through, the packet was
// on its way past pmos0.
void RefusedLog::take(const nlmsghdr& message) {
    const auto logged = read_logged(message);
    if (!logged.packet) return tally_.miss();
    const bool inbound = logged.hook == NF_INET_LOCAL_IN;
    const auto connection = connection_of(*logged.packet, inbound);
    auto verdict = inbound ? policy::judge_inbound(plan_, connection)
                           : policy::judge_outbound(plan_, connection);
    if (verdict.allowed) verdict = {false, ConnectionReason::no_interface, "network"};
    // The kernel's own, to all on the link: MLD, IGMP, router solicitations.
    if (!inbound && logged.uid == kNobody && verdict.reason == ConnectionReason::not_a_host) return;
    Refusal refusal;
    refusal.inbound = inbound;
    refusal.destination = packet_text(*logged.packet, inbound);
    refusal.reason = policy::word_at(policy::kConnectionReasonNames, verdict.reason);
    refusal.pointer = std::move(verdict.pointer);
    refusal.uid = logged.uid;
    if (auto first = tally_.add(std::move(refusal))) tell(std::move(*first));
}

void RefusedLog::add(Refusal refusal) {
    if (auto first = tally_.add(std::move(refusal))) tell(std::move(*first));
    count_on();
}

void RefusedLog::tell(Refusal refusal) const {
    refusal.mode = mode_;
    told_(refusal);
}

void RefusedLog::count_on() {
    if (turn_ || tally_.empty()) return;
    turn_ = loop_.after(RefusedTally::kTurn, [this] {
        for (auto& refusal : tally_.turn()) tell(std::move(refusal));
        turn_.reset();
        count_on();
    });
}

}  // namespace pmos::network
