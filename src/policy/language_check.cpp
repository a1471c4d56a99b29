// policy: a tree held against the table of the language. Finds every fault, changes nothing.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "policy/destination.h"
#include "policy/language.h"
#include "policy/names.h"
#include "policy/syscalls.h"
#include "policy/x25519.h"

namespace pmos::policy {
namespace {

bool type_matches(std::uint8_t types, Node::Kind kind) {
    switch (kind) {
        case Node::Kind::string:
            return (types & type_string) != 0;
        case Node::Kind::integer:
            return (types & type_integer) != 0;
        case Node::Kind::boolean:
            return (types & type_boolean) != 0;
        case Node::Kind::array:
            return (types & type_array) != 0;
        case Node::Kind::object:
            return (types & type_object) != 0;
        case Node::Kind::null:
        case Node::Kind::number:
            return false;
    }
    return false;
}

std::string did_you_mean(std::string_view near) {
    return near.empty() ? "" : fmt::format("did you mean '{}'?", near);
}

bool is_hostname(std::string_view text) {
    return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
           std::ranges::all_of(text, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-';
           });
}

bool is_env(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == 0 || equals == std::string_view::npos) return false;
    return std::ranges::all_of(text.substr(0, equals), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    });
}

bool is_root_hash(std::string_view text) {
    return text.size() == 64 && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

// "quota period" in µs, as cpu.max takes it; "max" is no limit.
bool is_cpu_max(std::string_view text) {
    const auto blank = text.find(' ');
    const auto quota = text.substr(0, blank);
    const auto number = [](std::string_view t) {
        return !t.empty() && t.size() <= 9 &&
               std::ranges::all_of(t, [](char c) { return c >= '0' && c <= '9'; });
    };
    if (quota != "max" && !number(quota)) return false;
    return blank == std::string_view::npos || number(text.substr(blank + 1));
}

struct FormatFault {
    Rule rule{};
    std::string message, fix;
};
using MaybeFault = std::optional<FormatFault>;

MaybeFault check_name(std::string_view text, std::span<const NamedValue> table, Rule rule,
                      std::string_view what) {
    if (value_of(table, text)) return std::nullopt;
    return FormatFault{rule, fmt::format("unknown {} '{}'", what, shown(text)),
                       did_you_mean(nearest_name(text, table))};
}

MaybeFault check_syscall(std::string_view text, bool groups) {
    if (groups && text.starts_with('@')) {
        if (find_group(text) != nullptr) return std::nullopt;
        return FormatFault{Rule::unknown_group, fmt::format("unknown group '{}'", shown(text)),
                           did_you_mean(nearest_group(text))};
    }
    if (is_syscall(text)) return std::nullopt;
    return FormatFault{Rule::unknown_syscall, fmt::format("unknown system call '{}'", shown(text)),
                       did_you_mean(nearest_syscall(text))};
}

MaybeFault expect(bool good, std::string_view text, std::string_view what, std::string fix) {
    if (good) return std::nullopt;
    return FormatFault{Rule::bad_value, fmt::format("'{}' is not {}", shown(text), what),
                       std::move(fix)};
}

template <class Value>
MaybeFault fault_of(const Result<Value>& parsed) {
    if (parsed) return std::nullopt;
    return FormatFault{Rule::bad_value, parsed.error().what, parsed.error().fix};
}

bool is_digits(std::string_view text, std::size_t least, std::size_t most) {
    return text.size() >= least && text.size() <= most &&
           text.find_first_not_of("0123456789") == text.npos;
}

// E.164 has 15 digits, and some networks prefix them.
bool is_number_rule(std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    if (text.ends_with('*')) text.remove_suffix(1);
    return is_digits(text, 1, 20);
}

bool is_color(std::string_view text) {
    return text.size() == 7 && text[0] == '#' &&
           text.find_first_not_of("0123456789abcdef", 1) == std::string_view::npos;
}

// It stands beside what pmos says itself: nothing in it may turn the line round or end it.
bool is_title(std::string_view text) {
    constexpr std::size_t kMost = 24;
    const auto begins = std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; });
    // What turns or hides what stands beside it: Unicode's bidirectional and zero-width characters.
    constexpr std::string_view kHidden[] = {"\u200b", "\u200c", "\u200d", "\u200e", "\u200f",
                                            "\u2028", "\u2029", "\u202a", "\u202b", "\u202c",
                                            "\u202d", "\u202e", "\u2060", "\u2066", "\u2067",
                                            "\u2068", "\u2069", "\ufeff", "\u061c"};
    const bool hides = std::ranges::any_of(
        kHidden, [text](std::string_view one) { return text.find(one) != text.npos; });
    return !text.empty() && !hides && static_cast<std::size_t>(begins) <= kMost &&
           printable(text) == text;
}

// What begins like a number is compared with numbers, in which nothing but digits stands.
bool is_line_name(std::string_view text) {
    if (text.starts_with('+') || is_digits(text.substr(0, 1), 1, 1)) {
        if (text.starts_with('+')) text.remove_prefix(1);
        return is_digits(text, 1, 20);
    }
    return !text.empty() && text.size() <= 64 &&
           std::isalpha(static_cast<unsigned char>(text[0])) != 0 &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127; });
}

bool is_access_point(std::string_view text) {
    const bool letters = std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    });
    return letters && !text.empty() && text.size() <= 100 && !text.contains("..") &&
           text.front() != '.' && text.back() != '.';
}

bool is_emergency_number(std::string_view text) { return is_digits(text, 2, 6); }

MaybeFault check_format(Format format, std::string_view text) {
    switch (format) {
        case Format::free:
            return std::nullopt;
        case Format::mode_name:
        case Format::word:
            return expect(is_mode_name(text), text, "a name",
                          "a letter, then at most 31 of a-z, 0-9 and -");
        case Format::hostname:
            return expect(is_hostname(text), text, "a host name", "at most 63 of a-z, 0-9 and -");
        case Format::absolute_path:
            return expect(is_absolute_path(text), text, "a normal absolute path",
                          "begin with /, without '.', '..' or empty parts");
        case Format::relative_path:
            return expect(is_relative_path(text), text, "a path that stays below its directory",
                          "no leading /, no '.', '..' or empty parts");
        case Format::hook_path:
            return expect(is_absolute_path(text) || is_relative_path(text), text, "a path",
                          "an absolute path or one below the hooks directory");
        case Format::size:
            return expect(parse_size(text).has_value(), text, "a size", "such as 64MiB or 2GiB");
        case Format::size_or_max:
            return expect(text == "max" || parse_size(text), text, "a size",
                          "such as 64MiB, 2GiB or max");
        case Format::duration:
            return expect(parse_duration(text).has_value(), text, "a duration",
                          "such as 500ms, 5s or 10min");
        case Format::octal:
            return expect(parse_octal(text).has_value(), text, "an octal mode", "such as 022");
        case Format::env:
            return expect(is_env(text), text, "a variable", "write NAME=value");
        case Format::rlimit_value:
            return expect(text == "unlimited", text, "a limit", "a number or \"unlimited\"");
        case Format::root_hash:
            return expect(is_root_hash(text), text, "a root hash", "64 hex digits in lower case");
        case Format::x25519_key:
            return expect(parse_key(text).has_value(), text, "an X25519 public key",
                          "32 bytes in base64, as wg pubkey prints them");
        case Format::color:
            return expect(is_color(text), text, "a colour", "# and six hex digits in lower case");
        case Format::title:
            return expect(is_title(text), text, "a title",
                          "at most 24 characters on one line, without control characters");
        case Format::line_name:
            return expect(
                is_line_name(text), text, "a SIM's number or a modem's name",
                "digits with a + before them or not; or a name that begins with a letter");
        case Format::access_point:
            return expect(is_access_point(text), text, "an access point's name",
                          "at most 100 of a-z, 0-9, - and ., such as intern.example");
        case Format::number_rule:
            return expect(is_number_rule(text), text, "a telephone number",
                          "as the network tells it, such as +4930123456, or a beginning and *: "
                          "+4930*");
        case Format::emergency_number:
            return expect(is_emergency_number(text), text, "an emergency number",
                          "2 to 6 digits, such as 110");
        case Format::ip_prefix:
            return fault_of(parse_prefix(text));
        case Format::ip_interface:
            return fault_of(parse_prefix(text, true));
        case Format::destination:
            return fault_of(parse_destination(text));
        case Format::flow_source:
            return fault_of(parse_source(text));
        case Format::dns_server:
            return fault_of(parse_dns_server(text));
        case Format::endpoint:
            return fault_of(parse_endpoint(text));
        case Format::cpu_max:
            return expect(is_cpu_max(text), text, "a CPU limit", "such as \"50000 100000\"");
        case Format::mount_option:
            return check_name(text, mount_option_names(), Rule::unknown_option, "mount option");
        case Format::capability:
            return check_name(text, capability_names(), Rule::unknown_capability, "capability");
        case Format::errno_name:
            return check_name(text, errno_names(), Rule::unknown_errno, "error name");
        case Format::syscall:
            return check_syscall(text, false);
        case Format::syscall_or_group:
            return check_syscall(text, true);
    }
    return std::nullopt;
}

std::string join(std::string_view pattern, std::string_view key) {
    return pattern.empty() ? std::string(key) : fmt::format("{}/{}", pattern, key);
}

std::string range_words(const KeySpec& spec) {
    return spec.max == INT64_MAX ? fmt::format("at least {}", spec.min)
                                 : fmt::format("from {} to {}", spec.min, spec.max);
}

class ShapeCheck {
  public:
    ShapeCheck(const Language& language, bool whole, std::vector<Diagnostic>& out)
        : language_(language), whole_(whole), out_(out), begin_(out.size()) {}

    void object(const Node& node, const std::string& pattern);

  private:
    void value(const Node& node, const std::string& pattern, const KeySpec& spec);
    void string(const Node& node, const KeySpec& spec);
    void integer(const Node& node, const KeySpec& spec);
    void unknown_key(const Member& member, std::string_view pattern, const KeySpec* parent);
    const KeySpec* member_spec(const std::string& pattern, std::string_view key,
                               std::string& child) const;
    bool full() const { return out_.size() - begin_ >= kMaxFindings; }
    void add(const Location& at, Rule rule, std::string message, std::string fix = "") {
        if (full()) return;
        out_.push_back(finding(rule, at, std::move(message), std::move(fix)));
    }

    const Language& language_;
    bool whole_;
    std::vector<Diagnostic>& out_;
    std::size_t begin_;
};

const KeySpec* ShapeCheck::member_spec(const std::string& pattern, std::string_view key,
                                       std::string& child) const {
    child = join(pattern, key);
    if (const KeySpec* spec = find_key(language_, child)) return spec;
    if (is_limit(pattern)) {
        if (const KeySpec* spec = find_key(language_, join("resources/*/*", key))) return spec;
    }
    const KeySpec* parent = find_key(language_, pattern);
    if (parent == nullptr || parent->keys.empty()) return nullptr;
    const auto known = split_list(parent->keys);
    if (parent->keys != "*" && std::ranges::find(known, key) == known.end()) return nullptr;
    child = join(pattern, "*");
    return find_key(language_, child);
}

void ShapeCheck::unknown_key(const Member& member, std::string_view pattern,
                             const KeySpec* parent) {
    auto names = child_keys(language_, pattern);
    if (parent != nullptr && !parent->keys.empty()) names = split_list(parent->keys);
    if (is_limit(pattern)) names = {"value", "optional"};
    const auto near = nearest(member.key, names);
    std::string fix = did_you_mean(near);
    if (fix.empty() && !names.empty()) fix = fmt::format("known here: {}", fmt::join(names, ", "));
    // A class of devices and a limit are names of things, not of fields: say so.
    const bool is_class = pattern == "devices" || pattern == "require/[]/devices";
    const bool is_rlimit = pattern == "process/rlimits";
    add(member.key_at,
        is_class    ? Rule::unknown_class
        : is_rlimit ? Rule::unknown_rlimit
                    : Rule::unknown_key,
        fmt::format("unknown {} '{}'",
                    is_class    ? "device class"
                    : is_rlimit ? "limit"
                                : "key",
                    shown(member.key)),
        std::move(fix));
}

void ShapeCheck::object(const Node& node, const std::string& pattern) {
    const KeySpec* self = find_key(language_, pattern);
    for (const auto& member : node.members) {
        std::string child;
        const KeySpec* spec = member_spec(pattern, member.key, child);
        if (full()) return;
        if (spec == nullptr)
            unknown_key(member, pattern, self);
        else
            value(member.value, child, *spec);
    }
    if (!whole_) return;
    const std::string scheme = is_limit(pattern) ? "resources/*/*" : pattern;
    for (const auto& spec : language_.keys) {
        const auto slash = spec.path.rfind('/');
        const auto parent = slash == std::string_view::npos ? "" : spec.path.substr(0, slash);
        const auto name = slash == std::string_view::npos ? spec.path : spec.path.substr(slash + 1);
        if (!spec.required || parent != scheme || node.find(name) != nullptr) continue;
        add(node.at, Rule::missing_key, fmt::format("'{}' is missing", name),
            spec.example.empty() ? std::string(spec.doc)
                                 : fmt::format("add \"{}\": {}", name, spec.example));
    }
}

void ShapeCheck::value(const Node& node, const std::string& pattern, const KeySpec& spec) {
    if (full()) return;  // before the work, not only before the words
    if (!type_matches(spec.types, node.kind)) {
        add(node.at, Rule::wrong_type,
            fmt::format("'{}' must be {}, not {}", node.at.pointer,
                        fmt::join(type_names(spec.types), " or "), kind_name(node.kind)),
            spec.example.empty() ? "" : fmt::format("for example {}", spec.example));
        return;
    }
    if (node.is(Node::Kind::string)) string(node, spec);
    if (node.is(Node::Kind::integer)) integer(node, spec);
    if (node.is(Node::Kind::object)) object(node, pattern);
    if (!node.is(Node::Kind::array)) return;
    if (node.items.size() > static_cast<std::size_t>(spec.max))
        add(node.at, Rule::too_large, fmt::format("'{}' has too many items", node.at.pointer),
            fmt::format("at most {}", spec.max));
    const std::string item = join(pattern, "[]");
    const KeySpec* item_spec = find_key(language_, item);
    for (const auto& child : node.items)
        if (item_spec != nullptr) value(child, item, *item_spec);
}

void ShapeCheck::string(const Node& node, const KeySpec& spec) {
    const auto values = split_list(spec.values);
    if (!values.empty() && std::ranges::find(values, node.text) == values.end()) {
        const auto near = nearest(node.text, values);
        add(node.at, Rule::bad_value,
            fmt::format("'{}' cannot be '{}'", node.at.pointer, shown(node.text)),
            near.empty() ? fmt::format("one of: {}", fmt::join(values, ", ")) : did_you_mean(near));
        return;
    }
    if (auto bad = check_format(spec.format, node.text)) {
        add(node.at, bad->rule, std::move(bad->message), std::move(bad->fix));
        return;
    }
    // A size has the bounds of its key however it is written.
    const auto size = spec.format == Format::size ? parse_size(node.text) : std::nullopt;
    if (size && (*size < static_cast<std::uint64_t>(spec.min) ||
                 *size > static_cast<std::uint64_t>(spec.max)))
        add(node.at, Rule::out_of_range,
            fmt::format("'{}' is out of range: {}", node.at.pointer, node.text), range_words(spec));
}

void ShapeCheck::integer(const Node& node, const KeySpec& spec) {
    const bool big = node.magnitude > static_cast<std::uint64_t>(INT64_MAX);
    const std::int64_t number = big ? INT64_MAX : static_cast<std::int64_t>(node.magnitude);
    const std::int64_t value = node.negative ? -number : number;
    // Without an upper bound, all of 64 bits is admitted (seccomp's values).
    const bool above = spec.max != INT64_MAX && (value > spec.max || (big && !node.negative));
    if (value >= spec.min && !above) return;
    add(node.at, Rule::out_of_range,
        fmt::format("'{}' is out of range: {}{}", node.at.pointer, node.negative ? "-" : "",
                    node.magnitude),
        range_words(spec));
}

// The words of a value that `enforced` lists: a string as it stands.
void enforce(const Language& language, const Node& node, const std::string& pattern,
             Severity severity, std::vector<Diagnostic>& out) {
    const KeySpec* spec = find_key(language, pattern);
    if (spec != nullptr && spec->enforced != "*") {
        const auto list = split_list(spec->enforced);
        // An object or array whose own items say what is enforced is judged by these.
        const bool deeper = !list.empty() && !node.is(Node::Kind::string);
        if (!deeper && std::ranges::find(list, node.text) == list.end()) {
            const std::string subject =
                node.is(Node::Kind::string) && !list.empty()
                    ? fmt::format("'{}': \"{}\"", node.at.pointer, shown(node.text))
                    : fmt::format("'{}'", node.at.pointer);
            out.push_back(
                {severity,
                 Rule::not_enforced,
                 node.at,
                 fmt::format("this build cannot enforce {}", subject),
                 list.empty() ? "remove it" : fmt::format("it enforces: {}", fmt::join(list, ", ")),
                 {}});
            return;
        }
    }
    for (const auto& item : node.items) enforce(language, item, join(pattern, "[]"), severity, out);
    for (const auto& member : node.members) {
        std::string child = join(pattern, member.key);
        if (find_key(language, child) == nullptr) child = join(pattern, "*");
        enforce(language, member.value, child, severity, out);
    }
}

}  // namespace

std::vector<std::string_view> type_names(std::uint8_t types) {
    std::vector<std::string_view> names;
    for (const auto& [type, name] : {std::pair<Type, std::string_view>{type_string, "string"},
                                     {type_integer, "integer"},
                                     {type_boolean, "boolean"},
                                     {type_array, "array"},
                                     {type_object, "object"}})
        if ((types & type) != 0) names.push_back(name);
    return names;
}

bool is_limit(std::string_view pattern) {
    return pattern.starts_with("resources/") && std::ranges::count(pattern, '/') == 2;
}

const KeySpec* find_key(const Language& language, std::string_view pattern) {
    const auto it = std::ranges::find(language.keys, pattern, &KeySpec::path);
    return it == language.keys.end() ? nullptr : &*it;
}

std::vector<std::string_view> child_keys(const Language& language, std::string_view pattern) {
    std::vector<std::string_view> names;
    for (const auto& spec : language.keys) {
        std::string_view rest = spec.path;
        if (!pattern.empty()) {
            if (!rest.starts_with(pattern) || rest.size() <= pattern.size() ||
                rest[pattern.size()] != '/')
                continue;
            rest.remove_prefix(pattern.size() + 1);
        }
        if (!rest.contains('/') && rest != "[]" && rest != "*") names.push_back(rest);
    }
    return names;
}

void check_shape(const Language& language, const Node& root, bool whole,
                 std::vector<Diagnostic>& diagnostics) {
    if (!root.is(Node::Kind::object)) {
        diagnostics.push_back(finding(
            Rule::wrong_type, root.at,
            fmt::format("a {} must be an object, not {}", language.title, kind_name(root.kind))));
        return;
    }
    ShapeCheck(language, whole, diagnostics).object(root, "");
}

void check_enforced(const Language& language, const Node& root, Severity severity,
                    std::vector<Diagnostic>& diagnostics) {
    for (const auto& member : root.members)
        enforce(language, member.value, member.key, severity, diagnostics);
}

}  // namespace pmos::policy
