// network: how much of a day's volume a mode has used.
#include "runtime/network/volume.h"

#include <arpa/inet.h>
#include <endian.h>
#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cerrno>

#include "runtime/network/attributes.h"
#include "runtime/network/netlink.h"
#include "runtime/network/rules.h"

namespace pmos::network {

using namespace std::chrono;

std::string day_of(Clock::time_point now) {
    const year_month_day day(floor<days>(now));
    return fmt::format("{:04}-{:02}-{:02}", int{day.year()}, unsigned{day.month()},
                       unsigned{day.day()});
}

seconds next_look(Clock::time_point now) {
    const auto end = floor<days>(now) + days(1);
    return std::min(ceil<seconds>(end - now), seconds(hours(1)));
}

std::string quota_name(const Spent& spent) { return "volume-" + spent.day; }

// Asked for by its name: libnftables would read the whole table, with its ten thousand
// destinations.
Result<std::uint64_t> bytes_spent(const std::string& day) {
    PMOS_ASSIGN(const auto socket, Netlink::open(NETLINK_NETFILTER));
    constexpr auto kGet = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8U | NFT_MSG_GETOBJ);
    Request request(kGet, 0);
    auto& header = request.header<nfgenmsg>();
    header.nfgen_family = NFPROTO_INET;
    header.version = NFNETLINK_V0;
    request.put(NFTA_OBJ_TABLE, kModeTable);
    request.put(NFTA_OBJ_NAME, std::string_view(quota_name({day})));
    request.put(NFTA_OBJ_TYPE, std::uint32_t{htonl(NFT_OBJECT_QUOTA)});
    const auto answers = socket.ask(request, "cannot read how much the mode has sent and received");
    if (!answers && answers.error().sys_errno == ENOENT) return 0;
    if (!answers) return fail(answers.error());
    std::uint64_t used = 0;
    for (const auto& answer : *answers)
        each_attribute_of(*answer.get(), sizeof(nfgenmsg), [&](const Attribute& object) {
            if (object.type() != NFTA_OBJ_DATA) return;
            each_attribute(object.bytes(), [&](const Attribute& a) {
                if (a.type() == NFTA_QUOTA_CONSUMED) used = be64toh(a.value<std::uint64_t>());
            });
        });
    return used;
}

}  // namespace pmos::network
