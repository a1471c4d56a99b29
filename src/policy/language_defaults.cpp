// policy: the defaults of the language's table, put into a tree. Changes no value that is given.
#include <fmt/format.h>

#include <algorithm>

#include "policy/language.h"

namespace pmos::policy {
namespace {

constexpr std::string_view kFile = "default";

void place(Node& node, const std::string& pointer) {
    node.at = {std::string(kFile), 0, 0, pointer};
    for (std::size_t i = 0; i < node.items.size(); ++i)
        place(node.items[i], fmt::format("{}/{}", pointer, i));
}

class Filler {
  public:
    explicit Filler(const Language& language) : language_(language) {}

    void object(Node& node, const std::string& pattern) {
        const std::string prefix = pattern.empty() ? "" : pattern + "/";
        for (auto& member : node.members) {
            const std::string own = prefix + member.key;
            value(member.value, find_key(language_, own) != nullptr ? own : prefix + "*");
        }
        for (const auto name : child_keys(language_, pattern)) {
            if (node.find(name) != nullptr) continue;
            const KeySpec* spec = find_key(language_, prefix + std::string(name));
            Node missing;
            if (!make(*spec, missing)) continue;
            const auto pointer = node.at.pointer + "/" + escape_pointer(name);
            place(missing, pointer);
            if (missing.is(Node::Kind::object)) object(missing, std::string(spec->path));
            if (missing.is(Node::Kind::object) && missing.members.empty()) continue;
            node.members.push_back({std::string(name), missing.at, std::move(missing)});
        }
    }

  private:
    void value(Node& node, const std::string& pattern) {
        if (node.is(Node::Kind::object)) object(node, pattern);
        for (auto& item : node.items) value(item, pattern + "/[]");
    }
    // What has a member that must be given is there when the file has it: a tunnel.
    bool needs(std::string_view pattern) const {
        return std::ranges::any_of(child_keys(language_, pattern), [&](std::string_view name) {
            return find_key(language_, fmt::format("{}/{}", pattern, name))->required;
        });
    }
    // A default, or an empty object for those of its members.
    bool make(const KeySpec& spec, Node& out) const {
        if (spec.fallback.empty()) {
            out.kind = Node::Kind::object;
            return spec.types == type_object && (spec.required || !needs(spec.path));
        }
        std::vector<Diagnostic> none;
        auto tree = read_json(kFile, spec.fallback, none);
        if (tree) out = std::move(*tree);
        return tree.has_value();
    }

    const Language& language_;
};

}  // namespace

Node with_defaults(const Language& language, const Node& root) {
    Node filled = root;
    if (filled.is(Node::Kind::object)) Filler(language).object(filled, "");
    return filled;
}

}  // namespace pmos::policy
