// network: whether the phone hands packets on, which it does for modes with a wire.
#include "runtime/network/forwarding.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "runtime/network/rules.h"
#include "runtime/network/switches.h"

namespace pmos::network {
namespace {

const std::string kIpv6 = "/proc/sys/net/ipv6/conf/";

std::string switch_of(bool v6) {
    return v6 ? kIpv6 + "all/forwarding" : "/proc/sys/net/ipv4/ip_forward";
}

// Forwarding, and what the kernel sets along with it: whether redirects are taken is the phone's
// affair (inet_forward_change() of net/ipv4/devinet.c).
Result<> switch_forwarding(bool v6, char value) {
    if (v6) return write_switch(switch_of(v6), value);
    const std::string redirects = "/proc/sys/net/ipv4/conf/all/accept_redirects";
    PMOS_ASSIGN(const char before, read_switch(redirects));
    PMOS_TRY(write_switch(switch_of(v6), value));
    return write_switch(redirects, before);
}

// A router hears no router advertisements, and forgets what it has heard, unless it is told that it
// does: 2, which means what 1 does where nothing is forwarded, and so stays.
Result<> keep_hearing_routers() {
    const std::unique_ptr<DIR, int (*)(DIR*)> links(::opendir(kIpv6.c_str()), &::closedir);
    if (!links) return fail(errno_error(errno, "cannot list '" + kIpv6 + "'"));
    while (const dirent* entry = ::readdir(links.get())) {
        if (entry->d_name[0] == '.') continue;
        const auto path = kIpv6 + entry->d_name + "/accept_ra";
        const auto now = read_switch(path);
        if (!now || *now != '1') continue;
        auto wrote = write_switch(path, '2');
        // The link may be gone by now.
        if (!wrote && wrote.error().sys_errno != ENOENT) return wrote;
    }
    return {};
}

bool stands_guard(const std::vector<std::string>& tables, bool v6) {
    const auto guard = std::string(guard_family(v6)) + " " + std::string(kGuardTable);
    return std::ranges::find(tables, guard) != tables.end();
}

}  // namespace

bool has_ipv6() { return ::access(kIpv6.c_str(), F_OK) == 0; }

Result<> allow_ipv6(const std::string& link) {
    return write_switch(kIpv6 + link + "/disable_ipv6", '0');
}

Result<> forward(const Nft& phone, Table rules) {
    PMOS_ASSIGN(const auto standing, phone.tables());
    std::vector<Table> tables{std::move(rules)};
    std::vector<bool> closed;
    for (const bool v6 : {false, true}) {
        if (v6 && !has_ipv6()) continue;
        PMOS_ASSIGN(const char now, read_switch(switch_of(v6)));
        if (now == '0') closed.push_back(v6);
        if (now == '0' || stands_guard(standing, v6)) tables.push_back(guard_rules(v6));
    }
    PMOS_TRY(phone.replace(tables, "cannot load the rules of the wire"));
    for (const bool v6 : closed) {
        if (v6) PMOS_TRY(keep_hearing_routers());
        PMOS_TRY(switch_forwarding(v6, '1'));
    }
    return {};
}

Result<> stop_forwarding(const Nft& phone) {
    PMOS_ASSIGN(const auto tables, phone.tables());
    for (const bool v6 : {false, true}) {
        if (!stands_guard(tables, v6)) continue;
        if (!v6 || has_ipv6()) PMOS_TRY(switch_forwarding(v6, '0'));
        PMOS_TRY(phone.remove(guard_family(v6), kGuardTable,
                              "cannot remove the rules of what is forwarded"));
    }
    return {};
}

}  // namespace pmos::network
