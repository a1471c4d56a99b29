// policy: `extends`. Merges a profile with the blocks it builds on. Reads files by its caller.
#include "policy/resolve.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/language.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

constexpr std::size_t kMaxFiles = 64;  // of one profile: bounds what a chain of blocks can cost

// Keys that belong to one file and are not handed on.
bool is_own(std::string_view key) { return key == "$schema" || key == "extends" || key == "pmos"; }

void merge(Node& base, Node&& later) {
    if (!base.is(Node::Kind::object) || !later.is(Node::Kind::object)) {
        base = std::move(later);
        return;
    }
    base.at = later.at;
    for (auto& member : later.members) {
        const auto it = std::ranges::find(base.members, member.key, &Member::key);
        if (it == base.members.end()) {
            base.members.push_back(std::move(member));
        } else {
            it->key_at = member.key_at;
            merge(it->value, std::move(member.value));
        }
    }
}

class Resolver {
  public:
    Resolver(std::string_view profile, const ReadBlock& read_block, std::vector<Diagnostic>& out)
        : directory_(profile.substr(0, profile.rfind('/') + 1)),
          read_block_(read_block),
          out_(out) {}

    std::optional<Node> file(const std::string& path, std::string_view bytes, bool block);

  private:
    bool extend(const Node& entry, Node& merged);
    bool fault(Rule rule, const Location& at, std::string message, std::string fix = "") {
        out_.push_back(finding(rule, at, std::move(message), std::move(fix)));
        return false;
    }

    std::string directory_;  // of the profile: where its blocks are shown to lie
    const ReadBlock& read_block_;
    std::vector<Diagnostic>& out_;
    std::vector<std::string> chain_;  // blocks that are being merged, outermost first
    std::size_t files_ = 0;
};

bool Resolver::extend(const Node& entry, Node& merged) {
    const std::string& path = entry.text;
    if (!is_relative_path(path))
        return fault(Rule::bad_extends, entry.at,
                     fmt::format("'{}' is not inside the profiles directory", shown(path)),
                     "extend a block inside it, such as blocks/hardened.json");
    if (std::ranges::find(chain_, path) != chain_.end())
        return fault(Rule::extends_cycle, entry.at, fmt::format("'{}' extends itself", shown(path)),
                     fmt::format("the way round: {} > {}", fmt::join(chain_, " > "), path));
    if (++files_ > kMaxFiles)
        return fault(Rule::too_large, entry.at, fmt::format("more than {} blocks", kMaxFiles));
    auto bytes = read_block_ ? read_block_(path) : fail(Code::not_found, "no such file");
    if (!bytes)
        return fault(Rule::bad_extends, entry.at,
                     fmt::format("cannot read '{}': {}", shown(path), bytes.error().message()));
    chain_.push_back(path);
    auto tree = file(directory_ + path, *bytes, true);
    chain_.pop_back();
    if (!tree) return false;
    merge(merged, std::move(*tree));
    return true;
}

std::optional<Node> Resolver::file(const std::string& path, std::string_view bytes, bool block) {
    auto tree = read_json(path, bytes, out_);
    if (!tree) return std::nullopt;
    check_shape(profile_language(), *tree, false, out_);
    if (!tree->is(Node::Kind::object)) return std::nullopt;
    if (block && tree->find("pmos") == nullptr)
        fault(Rule::missing_key, tree->at, "'pmos' is missing", "add \"pmos\": 1");
    if (block && tree->find("mode") != nullptr)
        fault(Rule::mode_in_block, tree->member("mode")->key_at, "a block names no mode",
              "name it in the profile that extends the block");
    Node merged;
    merged.kind = Node::Kind::object;
    merged.at = tree->at;
    bool whole = true;
    if (const Node* list = tree->find("extends"); list != nullptr && list->is(Node::Kind::array))
        for (const auto& entry : list->items)
            if (entry.is(Node::Kind::string)) whole = extend(entry, merged) && whole;
    if (!whole) return std::nullopt;
    if (block) std::erase_if(tree->members, [](const Member& m) { return is_own(m.key); });
    merge(merged, std::move(*tree));
    return merged;
}

}  // namespace

std::optional<Node> resolve(const SourceFile& file, const ReadBlock& read_block,
                            std::vector<Diagnostic>& diagnostics) {
    Resolver resolver(file.path, read_block, diagnostics);
    auto tree = resolver.file(file.path, file.bytes, false);
    if (!tree) return std::nullopt;
    // What each file alone could not say: the keys that the whole must have.
    std::vector<Diagnostic> whole;
    check_shape(profile_language(), *tree, true, whole);
    std::ranges::copy_if(whole, std::back_inserter(diagnostics),
                         [](const Diagnostic& d) { return d.rule == Rule::missing_key; });
    return tree;
}

}  // namespace pmos::policy
