// network: what the kernel knows of the connections of a namespace.
#include "runtime/network/conntrack.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include "runtime/network/switches.h"

namespace pmos::network {

Result<> count_bytes() { return write_switch("/proc/sys/net/netfilter/nf_conntrack_acct", '1'); }

Result<> add_connections(Traffic& traffic) {
    PMOS_ASSIGN(const auto socket, Netlink::open(NETLINK_NETFILTER));
    constexpr auto kGet =
        static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8U | IPCTNL_MSG_CT_GET);
    Request request(kGet, NLM_F_DUMP);
    auto& header = request.header<nfgenmsg>();
    header.nfgen_family = AF_UNSPEC;
    header.version = NFNETLINK_V0;
    return socket.each(request, "cannot list the connections", [&](const nlmsghdr& message) {
        if (const auto tracked = read_tracked(attributes_of(message, sizeof(nfgenmsg))))
            traffic.add(*tracked);
    });
}

}  // namespace pmos::network
