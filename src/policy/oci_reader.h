// policy: how the tree of an OCI file becomes values, in parts. Reads no file, knows no host.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/json_reader.h"
#include "policy/names.h"
#include "policy/oci_config.h"

namespace pmos::policy::oci {

// A property that the specification knows and this build does not do.
struct Refused {
    std::string_view key, fix;
    bool even_empty = false;  // else "", 0, -1, false, [] and {} ask for nothing
};

struct Range {
    std::int64_t low;
    std::uint64_t high;
};
template <std::integral Integer>
constexpr Range whole_range() {
    return {static_cast<std::int64_t>(std::numeric_limits<Integer>::min()),
            static_cast<std::uint64_t>(std::numeric_limits<Integer>::max())};
}

// A path of the container from its root, without "." and ".."; empty where it climbs out.
std::optional<std::string> cleaned(std::string_view path);

// Members by their names and types. A null is no member: so others write what they leave unset.
// A fault is told once and its value reads as none; there are kMaxFindings faults at most.
class Reader {
  public:
    explicit Reader(std::vector<Diagnostic>& out) : out_(out) {}

    void fault(Rule rule, const Location& at, std::string message, std::string fix = "",
               std::vector<Location> related = {});
    void missing(const Node& object, std::string_view key);
    void refuse(const Location& at, std::string message, std::string_view fix);
    void refuse(const Location& at, std::string_view fix);
    void refuse_all(const Node& object, std::span<const Refused> table);

    const Node* find(const Node& object, std::string_view key, Node::Kind kind);
    const Node* need(const Node& object, std::string_view key, Node::Kind kind);
    std::string text(const Node& object, std::string_view key);
    bool flag(const Node& object, std::string_view key);
    std::vector<std::string> texts(const Node& object, std::string_view key);
    // The items of an array that are of that kind.
    std::vector<const Node*> items(const Node& object, std::string_view key, Node::Kind kind);
    std::vector<std::pair<std::string, std::string>> pairs(const Node& object,
                                                           std::string_view key);

    template <std::integral Integer>
    std::optional<Integer> number(const Node& object, std::string_view key,
                                  Range range = whole_range<Integer>()) {
        return number_of<Integer>(find(object, key, Node::Kind::integer), range);
    }
    template <std::integral Integer>
    std::optional<Integer> need_number(const Node& object, std::string_view key,
                                       Range range = whole_range<Integer>()) {
        return number_of<Integer>(need(object, key, Node::Kind::integer), range);
    }
    template <std::integral Integer>
    std::optional<Integer> number_of(const Node* node, Range range = whole_range<Integer>()) {
        if (node == nullptr || !is_within(*node, range)) return std::nullopt;
        return static_cast<Integer>(node->negative ? 0 - node->magnitude : node->magnitude);
    }

    // The value of a word of the table.
    std::optional<std::uint64_t> word(const Node& node, std::span<const NamedValue> table,
                                      std::string_view what, Rule rule = Rule::bad_value);
    // The bits of all words of a list.
    std::uint32_t bits(const Node& object, std::string_view key, std::span<const NamedValue> table,
                       std::string_view what);

    // A path of the container, cleaned; relative ones count from its root where they may be.
    std::string inside(const Node& node, bool relative_too);
    std::vector<std::string> paths_inside(const Node& object, std::string_view key);
    // A path of the host that must be absolute.
    std::string host_path(const Node& node);
    // "0-3,7"
    std::string number_list(const Node& object, std::string_view key);
    std::vector<std::string> environment(const Node& object);
    std::vector<IdMap> id_maps(const Node& object, std::string_view key);

  private:
    bool is_kind(const Node& node, Node::Kind kind);
    bool is_within(const Node& node, Range range);
    void check_overlap(const std::vector<IdMap>& maps, const Node& node);

    std::vector<Diagnostic>& out_;
};

// The parts of a file, each of an object.
std::vector<Device> devices_of(Reader& reader, const Node& node);
std::vector<DeviceRule> device_rules_of(Reader& reader, const Node& node);
Process process_of(Reader& reader, const Node& node);
Resources resources_of(Reader& reader, const Node& node);
Seccomp seccomp_of(Reader& reader, const Node& node);
void read_linux(Reader& reader, const Node& node, Config& config);

}  // namespace pmos::policy::oci
