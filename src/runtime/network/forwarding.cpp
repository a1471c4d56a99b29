// network: whether the phone hands packets on, which it does for modes with a wire.
#include "runtime/network/forwarding.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/regular_file.h"
#include "runtime/network/part.h"
#include "runtime/network/rules.h"
#include "runtime/network/switches.h"

namespace pmos::network {
namespace {

const std::string kIpv4 = "/proc/sys/net/ipv4/conf/", kIpv6 = "/proc/sys/net/ipv6/conf/";
constexpr std::size_t kMostMarked = 4096;  // bytes

using Names = std::vector<std::string>;

std::string switch_of(bool v6) {
    return v6 ? kIpv6 + "all/forwarding" : "/proc/sys/net/ipv4/ip_forward";
}

// Also "all" and "default".
Result<Names> links_in(const std::string& directory) {
    const std::unique_ptr<DIR, int (*)(DIR*)> links(::opendir(directory.c_str()), &::closedir);
    if (!links) return fail(errno_error(errno, "cannot list '" + directory + "'"));
    Names names;
    while (const dirent* entry = ::readdir(links.get()))
        if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    return names;
}

std::string switch_of_link(bool v6, const std::string& link) {
    return (v6 ? kIpv6 : kIpv4) + link + "/forwarding";
}

// In rules it stands in quotes.
bool is_plain(const std::string& name) {
    return std::ranges::all_of(name, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
    });
}

// Of a phone that forwards by some of its links alone, a hotspot's, say.
Result<Names> forwarding_links(bool v6) {
    PMOS_ASSIGN(auto links, links_in(v6 ? kIpv6 : kIpv4));
    std::erase_if(links, [v6](const auto& link) {
        if (link == "all" || link == "default" || part_number(link) || !is_plain(link)) return true;
        const auto now = read_switch(switch_of_link(v6, link));
        return !now || *now != '1';
    });
    return links;
}

std::string mark_of(const std::string& marks, bool v6) {
    return marks + (v6 ? "/forwarding-v6" : "/forwarding-v4");
}

// nullopt: pmos has not switched it on, as far as a file can tell.
std::optional<Names> read_mark(const std::string& marks, bool v6) {
    if (marks.empty()) return std::nullopt;
    const auto text = read_regular_file(mark_of(marks, v6), kMostMarked);
    if (!text) return std::nullopt;
    Names names;
    std::istringstream words(*text);
    for (std::string name; words >> name;)
        if (is_plain(name)) names.push_back(name);
    return names;
}

Result<> write_mark(const std::string& marks, bool v6, const Names& links) {
    if (marks.empty()) return {};
    const auto path = mark_of(marks, v6);
    std::string text;
    for (const auto& link : links) text += link + "\n";
    const UniqueFd fd(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return fail(errno_error(errno, "cannot write '" + path + "'"));
    return {};
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
    PMOS_ASSIGN(const auto links, links_in(kIpv6));
    for (const auto& link : links) {
        const auto path = kIpv6 + link + "/accept_ra";
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

Table guard(const std::string& marks, bool v6) {
    // Of IPv6 a link's own setting forwards nothing while that of all is off (ip-sysctl).
    return guard_rules(v6, v6 ? Names() : read_mark(marks, v6).value_or(Names()));
}

Result<> forward(const Nft& phone, const std::string& marks, Table rules) {
    PMOS_ASSIGN(const auto standing, phone.tables());
    std::vector<Table> tables{std::move(rules)};
    std::vector<bool> closed;
    for (const bool v6 : {false, true}) {
        if (v6 && !has_ipv6()) continue;
        PMOS_ASSIGN(const char now, read_switch(switch_of(v6)));
        if (now == '0') {
            closed.push_back(v6);
            PMOS_ASSIGN(const auto before, forwarding_links(v6));
            PMOS_TRY(write_mark(marks, v6, before));
        }
        if (now == '0' || stands_guard(standing, v6) || read_mark(marks, v6))
            tables.push_back(guard(marks, v6));
    }
    PMOS_TRY(phone.replace(tables, "cannot load the rules of the wire"));
    for (const bool v6 : closed) {
        if (v6) PMOS_TRY(keep_hearing_routers());
        PMOS_TRY(switch_forwarding(v6, '1'));
    }
    return {};
}

Result<> stop_forwarding(const Nft& phone, const std::string& marks) {
    PMOS_ASSIGN(const auto tables, phone.tables());
    for (const bool v6 : {false, true}) {
        const auto before = read_mark(marks, v6);
        if (!before && !stands_guard(tables, v6)) continue;
        if (!v6 || has_ipv6()) PMOS_TRY(switch_forwarding(v6, '0'));
        // What is switched for all is switched for each. One that has gone needs it no more.
        for (const auto& link : before.value_or(Names()))
            static_cast<void>(write_switch(switch_of_link(v6, link), '1'));
        PMOS_TRY(phone.remove(guard_family(v6), kGuardTable,
                              "cannot remove the rules of what is forwarded"));
        if (before) ::unlink(mark_of(marks, v6).c_str());
    }
    return {};
}

}  // namespace pmos::network
