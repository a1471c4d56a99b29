// network: what anybody changes in a namespace's links and tables. Tells; does nothing about it.
#include "runtime/network/watch.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "runtime/network/attributes.h"
#include "runtime/network/heard.h"
#include "runtime/network/nft.h"

namespace pmos::network {
namespace {

// Ten thousand elements of a set that change at a time.
constexpr int kRoom = 16 << 20;

Result<Netlink> join(int protocol, int group) {
    PMOS_ASSIGN(auto socket, Netlink::open(protocol));
    if (::setsockopt(socket.fd().get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
                     sizeof group) != 0 ||
        ::setsockopt(socket.fd().get(), SOL_SOCKET, SO_RCVBUFFORCE, &kRoom, sizeof kRoom) != 0)
        return fail(errno_error(errno, "cannot watch a network namespace"));
    return socket;
}

}  // namespace

Result<std::unique_ptr<Watch>> Watch::make(event::EventLoop& loop, Told told) {
    PMOS_ASSIGN(auto links, join(NETLINK_ROUTE, RTNLGRP_LINK));
    PMOS_ASSIGN(auto tables, join(NETLINK_NETFILTER, NFNLGRP_NFTABLES));
    std::unique_ptr<Watch> made(new Watch(std::move(links), std::move(tables), std::move(told)));
    made->on_links_ = loop.on_io(made->links_.fd(), EPOLLIN,
                                 [watch = made.get()](std::uint32_t) { watch->hear_links(); });
    made->on_tables_ = loop.on_io(made->tables_.fd(), EPOLLIN,
                                  [watch = made.get()](std::uint32_t) { watch->hear_tables(); });
    if (!made->on_links_ || !made->on_tables_)
        return fail(Code::no_space, "cannot watch a network namespace");
    return made;
}

void Watch::hear_links() {
    if (hear(links_.fd(), [](const nlmsghdr&) {}) != Heard::nothing) told_.links();
}

// Whoever is told may end this.
void Watch::hear_tables() {
    constexpr std::uint16_t kNewGeneration = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN;
    constexpr std::uint16_t kNewObject = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWOBJ;
    std::vector<Changed> changes;
    bool spent = false;
    const auto heard = hear(tables_.fd(), [&](const nlmsghdr& message) {
        if (message.nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES) return;
        // By the kernel itself: nft_quota_obj_eval(), Linux 6.1.
        if (message.nlmsg_type == kNewObject && message.nlmsg_pid == 0) {
            spent = true;
            return;
        }
        if (message.nlmsg_type != kNewGeneration) {
            now_.tables.insert(table_of(message));
            return;
        }
        std::uint32_t pid = 0;
        std::string name;
        each_attribute_of(message, sizeof(nfgenmsg), [&](const Attribute& a) {
            if (a.type() == NFTA_GEN_PROC_PID) pid = ntohl(a.value<std::uint32_t>());
            if (a.type() == NFTA_GEN_PROC_NAME) name = a.text();
        });
        auto change = std::exchange(now_, {});
        if (pid == static_cast<std::uint32_t>(::getpid())) return;
        change.who = fmt::format("{} ({})", name, pid);
        changes.push_back(std::move(change));
    });
    const auto alive = alive_;
    for (const auto& change : changes)
        if (*alive) told_.tables(change);
    if (*alive && spent) told_.spent();
    if (*alive && heard == Heard::missed) {
        now_ = {};
        told_.missed();
    }
}

}  // namespace pmos::network
