// policy: a merged profile as text, with the place of every value. Reads nothing.
#include <fmt/format.h>

#include "policy/json_writer.h"
#include "policy/policy_set.h"
#include "policy/profile.h"

namespace pmos::policy {
namespace {

void write(JsonWriter& w, const Node& node) {
    switch (node.kind) {
        case Node::Kind::object:
            w.open_object();
            for (const auto& member : node.members) {
                w.key(member.key);
                write(w, member.value);
            }
            w.close();
            break;
        case Node::Kind::array:
            w.open_array();
            for (const auto& item : node.items) write(w, item);
            w.close();
            break;
        case Node::Kind::string:
            w.text(node.text);
            break;
        case Node::Kind::integer:
            w.raw(fmt::format("{}{}", node.negative ? "-" : "", node.magnitude));
            break;
        case Node::Kind::boolean:
            w.boolean(node.boolean);
            break;
        case Node::Kind::null:
        case Node::Kind::number:
            w.raw("null");  // no key of the language takes them
            break;
    }
}

void write_origin(std::string& out, const Node& node) {
    for (const auto& member : node.members) write_origin(out, member.value);
    for (const auto& item : node.items) write_origin(out, item);
    if (!node.members.empty() || !node.items.empty()) return;
    JsonWriter w;
    write(w, node);
    out += fmt::format("{:<36} {} = {}", to_text(node.at), node.at.pointer, w.take());
}

}  // namespace

std::string resolved_text(const Profile& profile, bool origin) {
    if (origin) {
        std::string out;
        write_origin(out, profile.source);
        return out;
    }
    JsonWriter w;
    write(w, profile.source);
    return w.take();
}

}  // namespace pmos::policy
