// policy: may a mode look up this name, and what lies there? Looks up nothing.
#include <algorithm>
#include <cctype>

#include "policy/connection.h"
#include "policy/destination.h"

namespace pmos::policy {
namespace {

std::string lower(std::string_view name) {
    std::string out(name);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
    return out;
}

}  // namespace

NameRules::NameRules(const NetworkPlan& network) : network_(network) {
    for (const auto& rule : network.allow)
        if (!rule.name.empty()) allow_[rule.name].push_back(&rule);
    for (const auto& rule : network.deny) {
        if (rule.name.empty()) continue;
        deny_[rule.name].push_back(&rule);
        // Whoever shuns a name shuns its hosts.
        if (!rule.name.starts_with('*')) deny_["*." + rule.name].push_back(&rule);
    }
}

const FlowRule* NameRules::denying(std::string_view name) const {
    for (const auto& pattern : covering_names(lower(name)))
        if (const auto at = deny_.find(pattern); at != deny_.end()) return at->second.front();
    return nullptr;
}

std::vector<const FlowRule*> NameRules::allowing(std::string_view name) const {
    std::vector<const FlowRule*> found;
    for (const auto& pattern : covering_names(lower(name)))
        if (const auto at = allow_.find(pattern); at != allow_.end())
            found.insert(found.end(), at->second.begin(), at->second.end());
    return found;
}

ConnectionVerdict NameRules::judge(std::string_view name) const {
    if (!has_wire(network_.zone)) return {false, ConnectionReason::no_interface, "network"};
    if (network_.dns.empty()) return {false, ConnectionReason::no_resolver, "network"};
    if (const FlowRule* rule = denying(name))
        return {false, ConnectionReason::denied, rule->pointer, rule};
    if (!network_.restricted) return unrestricted(network_);
    const auto lines = allowing(name);
    if (lines.empty()) return {false, ConnectionReason::not_allowed, "network/egress/allow"};
    return {true, ConnectionReason::rule, lines.front()->pointer, lines.front()};
}

ConnectionVerdict judge_name(const NetworkPlan& network, const std::string& name,
                             const Connection& connection) {
    const NameRules rules(network);
    auto verdict = rules.judge(name);
    if (!verdict.allowed) return verdict;
    if (asks_names(connection)) return {false, ConnectionReason::other_resolver, "network/dns"};
    if (!network.restricted) return verdict;
    for (const FlowRule* rule : rules.allowing(name))
        if (is_service(*rule, connection))
            return {true, ConnectionReason::rule, rule->pointer, rule};
    return {false, ConnectionReason::not_allowed, "network/egress/allow"};
}

}  // namespace pmos::policy
