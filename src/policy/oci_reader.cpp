// policy: how the tree of an OCI file becomes values, in parts. Reads no file, knows no host.
#include "policy/oci_reader.h"

#include <fmt/format.h>
#include <linux/limits.h>

#include <algorithm>

namespace pmos::policy::oci {
namespace {

// user_namespaces(7): since Linux 4.15.
constexpr std::size_t kMaxIdMaps = 340;

bool asks_for_nothing(const Node& node) {
    switch (node.kind) {
        case Node::Kind::null:
            return true;
        case Node::Kind::boolean:
            return !node.boolean;
        case Node::Kind::integer:
            return node.magnitude == 0 || (node.negative && node.magnitude == 1);
        case Node::Kind::number:
            return false;
        case Node::Kind::string:
            return node.text.empty();
        case Node::Kind::array:
            return node.items.empty();
        case Node::Kind::object:
            return node.members.empty();
    }
    return false;
}

bool is_number_list(std::string_view text) {
    bool digit = false, range = false;
    for (const char c : text) {
        if (c >= '0' && c <= '9') {
            digit = true;
            continue;
        }
        if (!digit || (c != ',' && (c != '-' || range))) return false;
        range = c == '-';
        digit = false;
    }
    return digit;
}

bool do_overlap(std::uint64_t a, std::uint64_t b, const IdMap& x, const IdMap& y) {
    return a < b + y.count && b < a + x.count;
}

}  // namespace

std::optional<std::string> cleaned(std::string_view path) {
    std::vector<std::string_view> segments;
    while (!path.empty()) {
        const auto slash = path.find('/');
        const auto segment = path.substr(0, slash);
        path = slash == std::string_view::npos ? "" : path.substr(slash + 1);
        if (segment.empty() || segment == ".") continue;
        if (segment != "..") {
            segments.push_back(segment);
        } else if (segments.empty()) {
            return std::nullopt;
        } else {
            segments.pop_back();
        }
    }
    return fmt::format("/{}", fmt::join(segments, "/"));
}

void Reader::fault(Rule rule, const Location& at, std::string message, std::string fix,
                   std::vector<Location> related) {
    if (out_.size() >= kMaxFindings) return;
    const auto same = [&](const Diagnostic& d) {
        return d.rule == rule && d.at.pointer == at.pointer && d.message == message;
    };
    if (std::ranges::none_of(out_, same))
        out_.push_back(finding(rule, at, std::move(message), std::move(fix), std::move(related)));
}

void Reader::missing(const Node& object, std::string_view key) {
    fault(Rule::missing_key, object.at, fmt::format("'{}' is missing", key),
          fmt::format("add \"{}\"", key));
}

void Reader::refuse(const Location& at, std::string message, std::string_view fix) {
    const auto before = out_.size();
    fault(Rule::not_enforced, at, std::move(message), std::string(fix));
    if (out_.size() > before) out_.back().severity = Severity::error;
}

void Reader::refuse(const Location& at, std::string_view fix) {
    refuse(at, fmt::format("this build cannot enforce '{}'", at.pointer), fix);
}

void Reader::refuse_all(const Node& object, std::span<const Refused> table) {
    for (const auto& [key, fix, even_empty] : table) {
        const Member* const member = object.member(key);
        if (member == nullptr || member->value.is(Node::Kind::null)) continue;
        if (even_empty || !asks_for_nothing(member->value)) refuse(member->key_at, fix);
    }
}

bool Reader::is_kind(const Node& node, Node::Kind kind) {
    if (node.is(kind)) return true;
    fault(Rule::wrong_type, node.at,
          fmt::format("'{}' must be {}, not {}", node.at.pointer, kind_name(kind),
                      kind_name(node.kind)));
    return false;
}

const Node* Reader::find(const Node& object, std::string_view key, Node::Kind kind) {
    const Node* const node = object.find(key);
    if (node == nullptr || node->is(Node::Kind::null) || !is_kind(*node, kind)) return nullptr;
    return node;
}

const Node* Reader::need(const Node& object, std::string_view key, Node::Kind kind) {
    const Node* const node = object.find(key);
    if (node != nullptr && !node->is(Node::Kind::null)) return find(object, key, kind);
    missing(object, key);
    return nullptr;
}

std::string Reader::text(const Node& object, std::string_view key) {
    const Node* const node = find(object, key, Node::Kind::string);
    return node == nullptr ? "" : node->text;
}

bool Reader::flag(const Node& object, std::string_view key) {
    const Node* const node = find(object, key, Node::Kind::boolean);
    return node != nullptr && node->boolean;
}

std::vector<const Node*> Reader::items(const Node& object, std::string_view key, Node::Kind kind) {
    std::vector<const Node*> out;
    if (const Node* const list = find(object, key, Node::Kind::array))
        for (const auto& item : list->items)
            if (is_kind(item, kind)) out.push_back(&item);
    return out;
}

std::vector<std::string> Reader::texts(const Node& object, std::string_view key) {
    std::vector<std::string> out;
    for (const Node* const item : items(object, key, Node::Kind::string)) out.push_back(item->text);
    return out;
}

std::vector<std::pair<std::string, std::string>> Reader::pairs(const Node& object,
                                                               std::string_view key) {
    std::vector<std::pair<std::string, std::string>> out;
    if (const Node* const node = find(object, key, Node::Kind::object))
        for (const auto& member : node->members)
            if (is_kind(member.value, Node::Kind::string))
                out.emplace_back(member.key, member.value.text);
    return out;
}

bool Reader::is_within(const Node& node, Range range) {
    const auto least = 0 - static_cast<std::uint64_t>(range.low);  // of a negative one
    const bool within =
        node.negative
            ? range.low < 0 && node.magnitude <= least
            : node.magnitude <= range.high &&
                  (range.low <= 0 || node.magnitude >= static_cast<std::uint64_t>(range.low));
    if (!within)
        fault(Rule::out_of_range, node.at,
              fmt::format("'{}' is out of range: {}{}", node.at.pointer, node.negative ? "-" : "",
                          node.magnitude),
              fmt::format("from {} to {}", range.low, range.high));
    return within;
}

std::optional<std::uint64_t> Reader::word(const Node& node, std::span<const NamedValue> table,
                                          std::string_view what, Rule rule) {
    if (const auto value = value_of(table, node.text)) return value;
    const auto near = nearest_name(node.text, table);
    std::vector<std::string_view> names;
    for (const auto& entry : table) names.push_back(entry.name);
    fault(rule, node.at, fmt::format("unknown {} '{}'", what, shown(node.text)),
          near.empty() ? fmt::format("one of: {}", fmt::join(names, ", "))
                       : fmt::format("did you mean '{}'?", near));
    return std::nullopt;
}

std::uint32_t Reader::bits(const Node& object, std::string_view key,
                           std::span<const NamedValue> table, std::string_view what) {
    std::uint32_t out = 0;
    for (const Node* const item : items(object, key, Node::Kind::string))
        out |= static_cast<std::uint32_t>(word(*item, table, what).value_or(0));
    return out;
}

std::string Reader::inside(const Node& node, bool relative_too) {
    if (node.text.empty() || (!relative_too && !node.text.starts_with('/'))) {
        fault(Rule::bad_value, node.at,
              fmt::format("'{}' is not an absolute path", shown(node.text)),
              "a path of the container, from its root");
        return "";
    }
    if (node.text.size() >= PATH_MAX) {
        fault(Rule::too_large, node.at, "the path is too long",
              fmt::format("at most {} bytes", PATH_MAX - 1));
        return "";
    }
    auto path = cleaned(node.text);
    if (!path)
        fault(Rule::bad_value, node.at, fmt::format("'{}' leaves the container", shown(node.text)),
              "remove the \"..\"");
    return std::move(path).value_or("");
}

std::vector<std::string> Reader::paths_inside(const Node& object, std::string_view key) {
    std::vector<std::string> out;
    for (const Node* const item : items(object, key, Node::Kind::string))
        out.push_back(inside(*item, false));
    return out;
}

std::string Reader::host_path(const Node& node) {
    if (!node.text.starts_with('/'))
        fault(Rule::bad_value, node.at,
              fmt::format("'{}' is not an absolute path", shown(node.text)),
              "a path of the host, from its root");
    return node.text;
}

std::string Reader::number_list(const Node& object, std::string_view key) {
    const Node* const node = find(object, key, Node::Kind::string);
    if (node == nullptr) return "";
    if (!node->text.empty() && !is_number_list(node->text))
        fault(Rule::bad_value, node->at,
              fmt::format("'{}' is not a list of numbers", shown(node->text)),
              "numbers and ranges, such as \"0-3,7\"");
    return node->text;
}

std::vector<std::string> Reader::environment(const Node& object) {
    std::vector<std::string> out;
    for (const Node* const item : items(object, "env", Node::Kind::string)) {
        const auto equals = item->text.find('=');
        if (equals == std::string::npos || equals == 0)
            fault(Rule::bad_value, item->at,
                  fmt::format("'{}' is not a variable with a value", shown(item->text)),
                  "write \"NAME=value\"");
        out.push_back(item->text);
    }
    return out;
}

std::vector<IdMap> Reader::id_maps(const Node& object, std::string_view key) {
    std::vector<IdMap> out;
    const auto maps = items(object, key, Node::Kind::object);
    if (maps.size() > kMaxIdMaps) {
        fault(Rule::too_large, object.find(key)->at,
              fmt::format("'{}' has too many items", object.find(key)->at.pointer),
              fmt::format("at most {}", kMaxIdMaps));
        return out;
    }
    for (const Node* const item : maps) {
        const auto inside_id = need_number<std::uint32_t>(*item, "containerID");
        const auto outside_id = need_number<std::uint32_t>(*item, "hostID");
        const auto size = need_number<std::uint32_t>(*item, "size", {1, UINT32_MAX});
        if (!inside_id || !outside_id || !size) continue;
        out.push_back({*inside_id, *outside_id, *size});
        check_overlap(out, *item);
    }
    return out;
}

// The last of the maps against those before it.
void Reader::check_overlap(const std::vector<IdMap>& maps, const Node& node) {
    const IdMap& last = maps.back();
    for (const auto& [side, first] :
         {std::pair{"containerID", last.inside}, std::pair{"hostID", last.outside}})
        if (UINT32_MAX - first < last.count)
            fault(Rule::out_of_range, node.at,
                  fmt::format("the ids from '{}' on go beyond {}", side, UINT32_MAX - 1),
                  "make 'size' smaller");
    for (std::size_t i = 0; i + 1 < maps.size(); ++i) {
        const bool inside_too = do_overlap(last.inside, maps[i].inside, last, maps[i]);
        if (!inside_too && !do_overlap(last.outside, maps[i].outside, last, maps[i])) continue;
        fault(Rule::contradiction, node.at,
              fmt::format("its ids {} overlap those of another mapping",
                          inside_too ? "in the container" : "on the host"),
              "an id has one mapping");
        return;
    }
}

}  // namespace pmos::policy::oci
