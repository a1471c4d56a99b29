// policy: the one table of every key a profile (and the site policy) may hold. The checker, the
// schema and the reference are made from it. Reads nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/diagnostic.h"
#include "policy/json_reader.h"

namespace pmos::policy {

enum Type : std::uint8_t {
    type_string = 1U << 0,
    type_integer = 1U << 1,
    type_boolean = 1U << 2,
    type_array = 1U << 3,
    type_object = 1U << 4,
};

// What a string must look like beyond being a string.
enum class Format : std::uint8_t {
    free,
    mode_name,
    word,  // a name of a volume: as a mode name
    hostname,
    absolute_path,
    relative_path,
    hook_path,  // absolute, or below the hooks directory
    size,
    size_or_max,
    duration,
    octal,
    env,  // NAME=value
    mount_option,
    capability,
    rlimit_value,
    errno_name,
    syscall,           // a name
    syscall_or_group,  // a name or @group
    cpu_max,
    root_hash,     // of dm-verity, SHA-256
    x25519_key,    // a public one, in base64
    line_name,     // a SIM's own number, or a modem's name
    access_point,  // APN (3GPP TS 23.003, 9.1)
    number_rule,   // a telephone number, or the beginning of one and "*"
    emergency_number,
    ip_prefix,
    ip_interface,  // an address with the length of its net
    destination,   // destination.h
    flow_source,   // the same, of who comes in
    endpoint,      // of a tunnel's peer
    dns_server,
    color,  // of sRGB, as CSS writes it: #rrggbb
    title,  // words for a person, in any script
};

struct KeySpec {
    // Keys separated by '/'; "[]" is any item of an array, "*" any member of an object.
    std::string_view path;
    std::uint8_t types = 0;
    std::string_view doc;
    Format format = Format::free;
    std::string_view values{};        // closed list of strings, "a|b|c"; "" is open
    std::string_view enforced = "*";  // what this build enforces: "*" all, "" nothing, or a list
    std::int64_t min = 0;             // of an integer
    std::int64_t max = INT64_MAX;     // of an integer, or the most items of an array
    bool required = false;            // wherever the parent is given
    std::string_view example{};       // as JSON
    std::string_view fallback{};      // as JSON: what holds where the key is not given; "" nothing
    std::string_view keys{};          // of an object with "*": the list of member names, or "*"
};

struct Language {
    std::string_view title;
    std::span<const KeySpec> keys;
};

const Language& profile_language();
const Language& site_language();
const Language& test_language();  // profiles/tests/*.json

// "string", "object": the types of a key in words.
std::vector<std::string_view> type_names(std::uint8_t types);
// A limit that may be an object, resources/memory/max: its members share two rows of the table.
bool is_limit(std::string_view pattern);
// The row of a path pattern, or nullptr.
const KeySpec* find_key(const Language& language, std::string_view pattern);
// Names of the keys below a pattern ("" is the top).
std::vector<std::string_view> child_keys(const Language& language, std::string_view pattern);

// Unknown keys, wrong types, values outside their lists: all of them. Required keys only when
// `whole` (a block that others extend need not be complete).
void check_shape(const Language& language, const Node& root, bool whole,
                 std::vector<Diagnostic>& diagnostics);
// Keys and values of the language that this build cannot enforce yet, at `severity`.
void check_enforced(const Language& language, const Node& root, Severity severity,
                    std::vector<Diagnostic>& diagnostics);

// The tree with the table's defaults for what it leaves out; their place is the file "default".
// Nothing else knows a default: the reader and `policy show --resolved` both work on this.
Node with_defaults(const Language& language, const Node& root);

// profiles/schema/profile.schema.json and the key table of docs/profiles.md.
std::string schema_text(const Language& language);
std::string reference_text(const Language& language);

}  // namespace pmos::policy
