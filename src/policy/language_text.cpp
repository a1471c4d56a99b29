// policy: the table of the language as JSON Schema and as a reference table. Reads nothing.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "policy/json_writer.h"
#include "policy/language.h"
#include "policy/names.h"
#include "policy/syscalls.h"

namespace pmos::policy {
namespace {

// Exactly what check_format takes, but for the size of a number and what an address may be.
std::string_view format_pattern(Format format) {
    switch (format) {
        case Format::mode_name:
        case Format::word:
            return "^[a-z][a-z0-9-]{0,31}$";
        case Format::hostname:
            return "^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$";
        case Format::absolute_path:
            return "^(/|(/(?!\\.{1,2}(/|$))[^/\\u0000-\\u001f\\u007f]{1,255})+)$";
        case Format::relative_path:
            return "^(?!/)(/?(?!\\.{1,2}(/|$))[^/\\u0000-\\u001f\\u007f]{1,255})+$";
        case Format::hook_path:
            return "^(/|/?(?!/)(/?(?!\\.{1,2}(/|$))[^/\\u0000-\\u001f\\u007f]{1,255})+)$";
        case Format::size:
            return "^[0-9]+([KMGT]iB)?$";
        case Format::size_or_max:
            return "^([0-9]+([KMGT]iB)?|max)$";
        case Format::duration:
            return "^[0-9]+(ms|s|min|h)$";
        case Format::octal:
            return "^0*[0-7]{1,3}$";
        case Format::env:
            return "^[A-Za-z0-9_]+=";
        case Format::rlimit_value:
            return "^unlimited$";
        case Format::root_hash:
            return "^[0-9a-f]{64}$";
        case Format::x25519_key:
            return "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$";
        case Format::line_name:
            return "^(\\+?[0-9]{1,20}|[A-Za-z][!-~]{0,63})$";
        case Format::access_point:
            return "^[a-z0-9-]+(\\.[a-z0-9-]+)*$";
        case Format::number_rule:
            return "^\\+?[0-9]{1,20}\\*?$";
        case Format::emergency_number:
            return "^[0-9]{2,6}$";
        case Format::ip_prefix:
        case Format::ip_interface:
            return "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$";
        case Format::destination:
            return "^((tcp|udp)(/[0-9]{1,5}(-[0-9]{1,5})?)? to |icmp to "
                   ")?([0-9A-Fa-f.:]+(/[0-9]{1,3})?|\\*|(\\*\\.)?[A-Za-z0-9.-]+)$";
        case Format::flow_source:
            return "^((tcp|udp)(/[0-9]{1,5}(-[0-9]{1,5})?)? from |icmp from "
                   ")?[0-9A-Fa-f.:]+(/[0-9]{1,3})?$";
        case Format::endpoint:
            return "^([A-Za-z0-9.-]+|\\[[0-9A-Fa-f.:]+\\]):[0-9]{1,5}$";
        case Format::dns_server:
            return "^([0-9A-Fa-f.:]+|[0-9.]+:[0-9]{1,5}|\\[[0-9A-Fa-f.:]+\\]:[0-9]{1,5})"
                   "(#[A-Za-z0-9.-]+)?$";
        case Format::color:
            return "^#[0-9a-f]{6}$";
        case Format::title:
            return "^[^\\x00-\\x1f\\x7f]{1,24}$";
        case Format::cpu_max:
            return "^(max|[0-9]{1,9})( [0-9]{1,9})?$";
        case Format::free:
        case Format::capability:
        case Format::errno_name:
        case Format::mount_option:
        case Format::syscall:
        case Format::syscall_or_group:
            return "";
    }
    return "";
}

std::span<const NamedValue> format_names(Format format) {
    if (format == Format::capability) return capability_names();
    if (format == Format::errno_name) return errno_names();
    if (format == Format::mount_option) return mount_option_names();
    return {};
}

class SchemaWriter {
  public:
    SchemaWriter(const Language& language, JsonWriter& w) : language_(language), w_(w) {}

    void members(const std::string& pattern);
    void value(const KeySpec& spec, const std::string& pattern);

  private:
    void string_limits(const KeySpec& spec);
    void limit(const KeySpec& spec);
    const Language& language_;
    JsonWriter& w_;
};

void SchemaWriter::string_limits(const KeySpec& spec) {
    if (!spec.values.empty()) {
        // With several types a closed list binds strings only.
        w_.key("if").open_object().key("type").text("string").close();
        w_.key("then").open_object().key("enum").open_array().compact(true);
        for (const auto value : split_list(spec.values)) w_.text(value);
        w_.compact(false).close().close();
    } else if (spec.format == Format::syscall || spec.format == Format::syscall_or_group) {
        w_.key("$ref").text(spec.format == Format::syscall ? "#/$defs/syscall"
                                                           : "#/$defs/syscallOrGroup");
    } else if (const auto names = format_names(spec.format); !names.empty()) {
        w_.key("enum").open_array().compact(true);
        for (const auto& name : names) w_.text(name.name);
        w_.compact(false).close();
    } else if (const auto pattern = format_pattern(spec.format); !pattern.empty()) {
        w_.key("pattern").text(pattern);
    }
}

void SchemaWriter::value(const KeySpec& spec, const std::string& pattern) {
    w_.open_object();
    std::string doc(spec.doc);
    if (spec.enforced.empty())
        doc += " This build cannot enforce it: the mode does not start.";
    else if (spec.enforced != "*")
        doc += fmt::format(" This build enforces: {}.", fmt::join(split_list(spec.enforced), ", "));
    w_.key("description").text(doc).key("type");
    const auto types = type_names(spec.types);
    w_.compact(true);
    types.size() == 1 ? w_.text(types.front()) : w_.texts({types.begin(), types.end()});
    w_.compact(false);
    if ((spec.types & type_string) != 0) string_limits(spec);
    if ((spec.types & type_integer) != 0 && spec.format != Format::rlimit_value) {
        const bool open = spec.max == INT64_MAX && spec.min == 0;
        w_.key("minimum").number(spec.min);
        if (!open && spec.max != INT64_MAX) w_.key("maximum").number(spec.max);
    }
    if (!spec.fallback.empty()) w_.key("default").raw(spec.fallback);
    if (!spec.example.empty())
        w_.key("examples").open_array().compact(true).raw(spec.example).compact(false).close();
    if ((spec.types & type_object) != 0) is_limit(spec.path) ? limit(spec) : members(pattern);
    if ((spec.types & type_array) != 0)
        if (const KeySpec* item = find_key(language_, pattern + "/[]")) {
            if (spec.max != INT64_MAX) w_.key("maxItems").number(spec.max);
            w_.key("items");
            value(*item, pattern + "/[]");
        }
    w_.close();
}

// {"value": ..., "optional": true}: the value as it may stand alone.
void SchemaWriter::limit(const KeySpec& spec) {
    KeySpec value_spec = spec;
    value_spec.types &= static_cast<std::uint8_t>(~unsigned{type_object});
    value_spec.doc = find_key(language_, "resources/*/*/value")->doc;
    const KeySpec* optional = find_key(language_, "resources/*/*/optional");
    w_.key("additionalProperties").boolean(false).key("properties").open_object();
    w_.key("value");
    value(value_spec, std::string(spec.path));
    w_.key("optional");
    value(*optional, std::string(optional->path));
    w_.close().key("required").compact(true).texts({"value"}).compact(false);
}

void SchemaWriter::members(const std::string& pattern) {
    const std::string prefix = pattern.empty() ? "" : pattern + "/";
    const KeySpec* any = find_key(language_, prefix + "*");
    const KeySpec* self = find_key(language_, pattern);
    if (any != nullptr && self != nullptr && self->keys == "*") {
        w_.key("additionalProperties");
        return value(*any, prefix + "*");
    }
    w_.key("additionalProperties").boolean(false).key("properties").open_object();
    if (any != nullptr && self != nullptr && !self->keys.empty()) {
        for (const auto name : split_list(self->keys)) {
            w_.key(name);
            value(*any, prefix + "*");
        }
    }
    std::vector<std::string> required;
    for (const auto name : child_keys(language_, pattern)) {
        const KeySpec* spec = find_key(language_, prefix + std::string(name));
        w_.key(name);
        value(*spec, std::string(spec->path));
        // A profile may get its top keys from a block: only the version is in every file.
        const bool merged =
            &language_ == &profile_language() && !spec->path.contains("[]") && name != "pmos";
        if (spec->required && !merged) required.emplace_back(name);
    }
    w_.close();
    if (!required.empty()) w_.key("required").compact(true).texts(required).compact(false);
}

}  // namespace

namespace {

// The names that every phone knows; others may be known to one architecture alone.
void write_definitions(JsonWriter& w) {
    std::set<std::string> names;
    for (const std::string_view name : {"x86_64", "aarch64"}) {
        const Arch* arch = find_arch(name);
        for (std::uint32_t nr = 0; nr <= arch->newest; ++nr)
            if (auto call = syscall_name(*arch, nr); !call.empty()) names.insert(std::move(call));
    }
    w.key("$defs").open_object().key("syscall").open_object().key("anyOf").open_array();
    w.open_object().key("enum").open_array().compact(true);
    for (const auto& name : names) w.text(name);
    w.compact(false).close().close();
    w.open_object().key("pattern").text("^[a-z_][a-z0-9_]{0,62}$").close().close().close();
    w.key("syscallOrGroup").open_object().key("anyOf").open_array();
    for (const auto& group : syscall_groups())
        w.compact(true)
            .open_object()
            .key("const")
            .text(group.name)
            .key("description")
            .text(group.doc)
            .close()
            .compact(false);
    w.open_object().key("$ref").text("#/$defs/syscall").close().close().close().close();
}

}  // namespace

std::string schema_text(const Language& language) {
    JsonWriter w;
    w.open_object().key("$schema").text("https://json-schema.org/draft/2020-12/schema");
    w.key("title").text(language.title).key("type").text("object");
    SchemaWriter(language, w).members("");
    if (std::ranges::any_of(language.keys, [](const KeySpec& key) {
            return key.format == Format::syscall || key.format == Format::syscall_or_group;
        }))
        write_definitions(w);
    return w.close().take();
}

std::string reference_text(const Language& language) {
    std::string out = "| key | type | meaning | this build |\n|---|---|---|---|\n";
    for (const auto& spec : language.keys) {
        if (spec.path == "$schema") continue;
        std::string type = fmt::format("{}", fmt::join(type_names(spec.types), ", "));
        std::string doc(spec.doc);
        if (!spec.values.empty())
            doc += fmt::format(" One of {}.", fmt::join(split_list(spec.values), ", "));
        if (!spec.keys.empty() && spec.keys != "*")
            doc += fmt::format(" Names: {}.", fmt::join(split_list(spec.keys), ", "));
        const std::string build =
            spec.enforced == "*"    ? "yes"
            : spec.enforced.empty() ? "no"
                                    : fmt::format("{}", fmt::join(split_list(spec.enforced), ", "));
        if (!spec.fallback.empty()) doc += fmt::format(" Default: `{}`.", spec.fallback);
        out += fmt::format("| `{}`{} | {} | {} | {} |\n", spec.path,
                           spec.required ? " (required)" : "", type, doc, build);
    }
    return out;
}

}  // namespace pmos::policy
