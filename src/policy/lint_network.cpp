// policy: what is open or says nothing in a mode's network. Never refuses a profile.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>

#include "policy/destination.h"
#include "policy/lint.h"
#include "policy/names.h"
#include "policy/syscalls.h"

namespace pmos::policy {
namespace {

// The rules of a list by their prefixes: whether one covers another is asked some ten thousand
// times, of lists as long.
class Cover {
  public:
    // below: a name is there for all below it as well.
    explicit Cover(const std::vector<FlowRule>& rules, bool below = false) {
        for (const auto& rule : rules) {
            if (!rule.name.empty()) {
                by_name_[rule.name].push_back(&rule);
                if (below && !rule.name.starts_with('*'))
                    by_name_["*." + rule.name].push_back(&rule);
                continue;
            }
            by_prefix_[rule.prefix].push_back(&rule);
            lengths_.at(rule.prefix.v6 ? 1 : 0).at(rule.prefix.length) = true;
        }
    }
    // One that covers it and is not itself; of two that are the same the first.
    const FlowRule* of(const FlowRule& rule) const {
        if (!rule.name.empty()) return of_name(rule);
        for (std::size_t length = 0; length <= rule.prefix.length; ++length) {
            if (!lengths_.at(rule.prefix.v6 ? 1 : 0).at(length)) continue;
            const auto found =
                by_prefix_.find(masked(rule.prefix, static_cast<std::uint8_t>(length)));
            if (found == by_prefix_.end()) continue;
            for (const FlowRule* other : found->second) {
                if (other == &rule) break;  // what follows at this prefix is later in the list
                if (covers(*other, rule)) return other;
            }
            for (const FlowRule* other : found->second)
                if (other != &rule && covers(*other, rule) && !covers(rule, *other)) return other;
        }
        return nullptr;
    }

  private:
    const FlowRule* of_name(const FlowRule& rule) const {
        for (const auto& name : covering_names(rule.name)) {
            const auto found = by_name_.find(name);
            if (found == by_name_.end()) continue;
            for (const FlowRule* other : found->second) {
                if (other == &rule) break;  // what follows at this name is later in the list
                if (covers_service(*other, rule)) return other;
            }
        }
        return nullptr;
    }

    std::unordered_map<std::string, std::vector<const FlowRule*>> by_name_;
    std::map<IpPrefix, std::vector<const FlowRule*>> by_prefix_;
    std::array<std::array<bool, 129>, 2> lengths_{};
};

using Text = std::string (*)(const FlowRule&);

class NetworkLint {
  public:
    NetworkLint(const Profile& profile, std::vector<Diagnostic>& out) : p_(profile), out_(out) {}

    void sockets();
    void destinations();
    void inbound();

  private:
    void say(Rule rule, const Location& at, std::string message, std::string fix,
             std::vector<Location> related = {}) {
        if (out_.size() >= kMaxFindings) return;
        out_.push_back(finding(rule, at, std::move(message), std::move(fix), std::move(related)));
    }
    void covered(const std::vector<FlowRule>& rules, const Cover& by, Text text,
                 std::string_view verdict);

    const Profile& p_;
    std::vector<Diagnostic>& out_;
};

void NetworkLint::sockets() {
    const bool rule = std::ranges::any_of(p_.seccomp_rules, [](const SyscallRule& r) {
        return r.verdict == verdict_allow() && has_word(r.names, "socket");
    });
    if (!rule && !expand_syscalls(p_.seccomp_allow).contains("socket"))
        say(Rule::unused_right, p_.where("network"),
            fmt::format("the network '{}' is of no use: no socket can be made",
                        word_at(kZoneNames, p_.network.zone)),
            "write \"none\", or allow @network-io");
}

void NetworkLint::covered(const std::vector<FlowRule>& rules, const Cover& by, Text text,
                          std::string_view verdict) {
    for (const auto& rule : rules) {
        if (out_.size() >= kMaxFindings) return;
        if (const FlowRule* other = by.of(rule))
            say(Rule::covered_rule, p_.where(rule.pointer),
                fmt::format("'{}' is {} by '{}' already", text(rule), verdict, text(*other)),
                "remove it, or the other one", {p_.where(other->pointer)});
    }
}

void NetworkLint::destinations() {
    const Cover allowed(p_.network.allow), denied(p_.network.deny, true);
    covered(p_.network.allow, denied, destination_text, "denied");
    covered(p_.network.allow, allowed, destination_text, "allowed");
    covered(p_.network.deny, denied, destination_text, "denied");
}

void NetworkLint::inbound() {
    covered(p_.network.inbound, Cover(p_.network.inbound), source_text, "allowed");
    for (const auto& rule : p_.network.inbound)
        if (rule.prefix.length == 0 && rule.protocol != Protocol::icmp &&
            (rule.protocol == Protocol::any ||
             (rule.port_first == 0 && rule.port_last == UINT16_MAX)))
            say(Rule::open_inbound, p_.where(rule.pointer),
                fmt::format("'{}' opens every port of the mode to everybody in the tunnel",
                            source_text(rule)),
                "name a port and who may connect: \"tcp/22 from 10.8.0.0/24\"");
}

}  // namespace

void lint_network(const Profile& profile, std::vector<Diagnostic>& diagnostics) {
    if (profile.network.zone == Zone::none) return;
    NetworkLint lint(profile, diagnostics);
    lint.sockets();
    lint.destinations();
    lint.inbound();
}

}  // namespace pmos::policy
