// policy: bytes to a tree that knows where every key and value stands. Reads no file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/diagnostic.h"

namespace pmos::policy {

// Bounds of one file: what the tree can cost follows from them.
inline constexpr std::size_t kMaxFileSize = 1U << 20;
inline constexpr std::size_t kMaxDepth = 64;
inline constexpr std::size_t kMaxNodes = 16384;
inline constexpr std::size_t kMaxPointer = 1024;
inline constexpr std::size_t kMaxMembers = 1024;  // of one object

struct Member;

struct Node {
    enum class Kind : std::uint8_t { null, boolean, integer, number, string, array, object };

    Kind kind = Kind::null;
    bool boolean = false;
    bool negative = false;        // integer: the value is -magnitude
    std::uint64_t magnitude = 0;  // integer
    std::string text;             // string; number: as it is written
    std::vector<Node> items;      // array
    std::vector<Member> members;  // object, in the order of the file
    Location at;

    const Node* find(std::string_view key) const;  // nullptr: no such member
    const Member* member(std::string_view key) const;
    // Follows keys separated by '/': at_path("volumes/0/luks").
    const Node* at_path(std::string_view path) const;

    bool is(Kind k) const { return kind == k; }
};

struct Member {
    std::string key;
    Location key_at;
    Node value;
};

std::string_view kind_name(Node::Kind kind);
// One pointer segment escaped by RFC 6901.
std::string escape_pointer(std::string_view key);

// JSON with comments. Empty when `diagnostics` got an error. Refused, each at its place: a second
// member of the same name, invalid UTF-8, NUL, a tree deeper or larger than the bounds above,
// anything after the value.
std::optional<Node> read_json(std::string_view file, std::string_view bytes,
                              std::vector<Diagnostic>& diagnostics);

// The same, without places: a Location has its pointer alone. Empty where anything is to be told.
std::optional<Node> read_json_unplaced(std::string_view bytes);

}  // namespace pmos::policy
