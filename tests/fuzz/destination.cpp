// fuzz: any text as a destination, a source, a prefix, an endpoint and a key. What is read has one
// spelling that gives the same value again, and a rule matches what it names; what is not says why.
#include "policy/destination.h"

#include <cstdint>
#include <cstdlib>
#include <string>

#include "policy/connection.h"
#include "policy/x25519.h"

using namespace pmos::policy;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

template <class Value>
bool sound(const pmos::Result<Value>& result) {
    if (!result) require(!result.error().what.empty() && !result.error().fix.empty());
    return result.has_value();
}

// Whoever is named is looked up where it is allowed, and nobody where it is denied.
void take_names(const FlowRule& rule) {
    const std::string name = rule.name == "*"              ? "example.org"
                             : rule.name.starts_with("*.") ? "x" + rule.name.substr(1)
                                                           : rule.name;
    NetworkPlan network;
    network.zone = Zone::direct;
    network.dns.emplace_back();
    network.restricted = true;
    network.allow = {rule};
    require(NameRules(network).judge(name).allowed);
    network.deny = {rule};
    require(!NameRules(network).judge(name).allowed);
}

void take_rule(const pmos::Result<FlowRule>& rule, pmos::Result<FlowRule> (*read)(std::string_view),
               std::string (*text)(const FlowRule&)) {
    if (!sound(rule)) return;
    const auto again = read(text(*rule));
    require(again.has_value() && *again == *rule);
    require(covers(*rule, *rule) && contains(rule->prefix, rule->prefix));
    require(rule->port_first <= rule->port_last);
    if (!rule->name.empty()) return take_names(*rule);
    auto address = rule->prefix;
    address.length = address.v6 ? 128 : 32;
    const auto protocol = rule->protocol == Protocol::any ? Protocol::tcp : rule->protocol;
    require(matches(*rule, {address, protocol, rule->port_first}));
    require(matches(*rule, {address, protocol, rule->port_last}));
    NetworkPlan network;
    network.zone = Zone::direct;
    network.deny = {*rule};
    const auto verdict = judge_outbound(network, {address, protocol, rule->port_last});
    require(verdict.allowed == is_loopback(address));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    take_rule(parse_destination(text), parse_destination, destination_text);
    take_rule(parse_source(text), parse_source, source_text);
    if (const auto prefix = parse_prefix(text, true); sound(prefix)) {
        require(parse_prefix(to_text(*prefix), true).value() == *prefix);
        const auto whole = masked(*prefix, prefix->length);
        require(contains(whole, *prefix) && parse_prefix(to_text(whole)).value() == whole);
    }
    if (const auto endpoint = parse_endpoint(text); sound(endpoint)) {
        const auto again = parse_endpoint(endpoint_text(endpoint->host, endpoint->port));
        require(again.has_value() && again->host == endpoint->host &&
                again->port == endpoint->port && endpoint->port != 0);
    }
    if (const auto server = parse_dns_server(text); sound(server))
        require(parse_dns_server(to_text(*server)).value() == *server);
    if (const auto key = parse_key(text)) require(key_text(*key) == text);
    return 0;
}
