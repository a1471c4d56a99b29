// policy: which line of a profile refused a connection. Asks no host, looks up no name.
#include <fmt/format.h>

#include "policy/connection.h"
#include "policy/explain.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

void explain_denied(const Profile& profile, const RefusedConnection& refused, Explanation& why) {
    why.rule = "network-egress";
    const Node* line = profile.source.at_path(refused.pointer);
    if (line == nullptr || !line->is(Node::Kind::string)) {
        why.why = "the list of what is denied has it";
        return;
    }
    why.why = fmt::format("'{}' denies it", line->text);
    why.fix = fmt::format("remove \"{}\" from network/egress/deny", line->text);
}

void explain_not_allowed(const RefusedConnection& refused, Explanation& why) {
    why.rule = refused.inbound ? "network-inbound" : "network-egress";
    why.key = refused.inbound ? "network/inbound" : "network/egress/allow";
    why.why = refused.inbound ? "nothing in the list of who may call matches it"
                              : "nothing in the list of what is allowed matches it";
    why.value = refused.name.empty() ? refused.destination : refused.name;
    // No rule can be about another protocol by itself.
    if (why.value.starts_with("protocol ")) {
        why.key = why.value = "";
        return;
    }
    why.fix = fmt::format("add \"{}\" to {}", why.value, why.key);
}

}  // namespace

Explanation explain_refused_connection(const Profile& profile, const RefusedConnection& refused) {
    const auto is = [&](ConnectionReason reason) {
        return refused.reason == word_at(kConnectionReasonNames, reason);
    };
    Explanation why{.rule = "network", .at = profile.where(refused.pointer)};
    why.what = refused.name.empty() ? refused.destination
                                    : fmt::format("{} ({})", refused.destination, refused.name);
    if (refused.destination.empty()) why.what = refused.name;
    if (is(ConnectionReason::denied))
        explain_denied(profile, refused, why);
    else if (is(ConnectionReason::not_allowed))
        explain_not_allowed(refused, why);
    else if (is(ConnectionReason::not_a_host))
        why.why = "multicast, broadcast and link-local addresses are never reached";
    else if (is(ConnectionReason::other_resolver))
        why.why = "the mode's own resolver, at 127.0.0.1, is the only one that asks for names";
    else if (is(ConnectionReason::no_route))
        why.why = "no peer of the tunnel has this address";
    else
        why.why = "the network of the mode holds nothing that could carry it";
    return why;
}

}  // namespace pmos::policy
