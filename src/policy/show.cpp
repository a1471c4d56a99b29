// policy: a merged profile as text, with the place of every value. Reads nothing.
#include <fmt/format.h>

#include "policy/json_writer.h"
#include "policy/language.h"
#include "policy/policy_set.h"
#include "policy/profile.h"

namespace pmos::policy {
namespace {

template <class Visit>
void each_value(const Node& node, const Visit& visit) {
    for (const auto& member : node.members) each_value(member.value, visit);
    for (const auto& item : node.items) each_value(item, visit);
    if (node.members.empty() && node.items.empty()) visit(node);
}

}  // namespace

std::string resolved_text(const Profile& profile, bool origin) {
    const Node whole = with_defaults(profile_language(), profile.source);
    if (!origin) {
        JsonWriter w;
        write_node(w, whole);
        return w.take();
    }
    std::string out;
    each_value(whole, [&](const Node& node) {
        JsonWriter w;
        write_node(w, node);
        out += fmt::format("{:<36} {} = {}", to_text(node.at), node.at.pointer, w.take());
    });
    return out;
}

std::string origins_json(const Profile& profile) {
    JsonWriter w;
    w.open_array();
    each_value(with_defaults(profile_language(), profile.source), [&](const Node& node) {
        w.compact(true).open_object().key("pointer").text(node.at.pointer).key("value");
        write_node(w, node);
        w.key("file").text(node.at.file).key("line").number(node.at.line);
        w.key("column").number(node.at.column).close().compact(false);
    });
    return w.close().take();
}

}  // namespace pmos::policy
