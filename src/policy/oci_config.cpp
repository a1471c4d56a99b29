// policy: an OCI bundle's config.json (and the process of `exec`) as values. Reads no file, knows
// no host.
#include "policy/oci_config.h"

#include <fmt/format.h>
#include <linux/sched.h>
#include <linux/utsname.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <tuple>

#include "policy/oci_reader.h"

namespace pmos::policy::oci {
namespace {

constexpr std::array kRefused{
    Refused{"solaris", "remove it: the container is Linux's", true},
    Refused{"windows", "remove it: the container is Linux's", true},
    Refused{"vm", "remove it: the container is no virtual machine", true},
    Refused{"zos", "remove it: the container is Linux's", true},
    Refused{"freebsd", "remove it: the container is Linux's", true},
};

// The front of `text` up to a dot or its end as a number of SemVer.
std::optional<std::uint32_t> take_number(std::string_view& text) {
    std::uint32_t value = 0;
    const auto [stop, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    const auto length = static_cast<std::size_t>(stop - text.data());
    if (ec != std::errc{} || (length > 1 && text.front() == '0')) return std::nullopt;
    text.remove_prefix(length);
    return value;
}

// "rc.1", "dev": words between dots.
bool is_dotted(std::string_view text) {
    char before = '.';
    for (const char c : text) {
        const bool word =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
        if (!word && (c != '.' || before == '.')) return false;
        before = c;
    }
    return before != '.';
}

using MajorMinor = std::pair<std::uint32_t, std::uint32_t>;

// SemVer 2.0.0: "1.0.2-dev", "1.1.0+dev". Empty where it is none.
std::optional<MajorMinor> parse_version(std::string_view text) {
    std::array<std::uint32_t, 3> numbers{};
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (i > 0 && !text.starts_with('.')) return std::nullopt;
        if (i > 0) text.remove_prefix(1);
        const auto number = take_number(text);
        if (!number) return std::nullopt;
        numbers.at(i) = *number;
    }
    if (const auto plus = text.find('+'); plus != std::string_view::npos) {
        if (!is_dotted(text.substr(plus + 1))) return std::nullopt;
        text = text.substr(0, plus);
    }
    if (!text.empty() && (text.front() != '-' || !is_dotted(text.substr(1)))) return std::nullopt;
    return MajorMinor{numbers[0], numbers[1]};
}

void read_version(Reader& reader, const Node& tree, Config& config) {
    const Node* const node = reader.need(tree, "ociVersion", Node::Kind::string);
    if (node == nullptr) return;
    config.version = node->text;
    const auto version = parse_version(node->text);
    if (!version)
        reader.fault(Rule::bad_value, node->at,
                     fmt::format("'{}' is not a version", shown(node->text)),
                     fmt::format("such as \"{}\"", kVersion));
    else if (*version < parse_version(kOldestVersion) || *version > parse_version(kNewestVersion))
        reader.refuse(
            node->at,
            fmt::format("version {} of the specification is not known here", shown(node->text)),
            fmt::format("from {} to {}", kOldestVersion, kNewestVersion));
}

void read_root(Reader& reader, const Node& tree, Config& config) {
    const Node* const root = reader.need(tree, "root", Node::Kind::object);
    if (root == nullptr) return;
    const Node* const path = reader.need(*root, "path", Node::Kind::string);
    if (path != nullptr && path->text.empty()) reader.missing(*root, "path");
    if (path != nullptr) config.root_path = path->text;
    config.root_read_only = reader.flag(*root, "readonly");
}

void check_mount_maps(Reader& reader, const Node& node, const Mount& mount) {
    if (mount.uid_mappings.empty() != mount.gid_mappings.empty())
        reader.missing(node, mount.uid_mappings.empty() ? "uidMappings" : "gidMappings");
}

void read_mounts(Reader& reader, const Node& tree, Config& config) {
    for (const Node* const item : reader.items(tree, "mounts", Node::Kind::object)) {
        Mount mount;
        mount.at = item->at;
        if (const Node* const to = reader.need(*item, "destination", Node::Kind::string))
            mount.destination = reader.inside(*to, true);
        mount.type = reader.text(*item, "type");
        mount.source = reader.text(*item, "source");
        mount.options = reader.texts(*item, "options");
        mount.uid_mappings = reader.id_maps(*item, "uidMappings");
        mount.gid_mappings = reader.id_maps(*item, "gidMappings");
        check_mount_maps(reader, *item, mount);
        config.mounts.push_back(std::move(mount));
    }
}

Hook hook_of(Reader& reader, const Node& node, HookPoint point) {
    Hook hook;
    hook.point = point;
    if (const Node* const path = reader.need(node, "path", Node::Kind::string))
        hook.path = reader.host_path(*path);
    hook.args = reader.texts(node, "args");
    hook.env = reader.environment(node);
    hook.timeout_s = reader.number<std::uint32_t>(node, "timeout", {1, INT32_MAX}).value_or(0);
    return hook;
}

void read_hooks(Reader& reader, const Node& tree, Config& config) {
    const Node* const hooks = reader.find(tree, "hooks", Node::Kind::object);
    if (hooks == nullptr) return;
    const auto points = split_list(kHookPointNames);
    for (std::size_t i = 0; i < points.size(); ++i)
        for (const Node* const item : reader.items(*hooks, points[i], Node::Kind::object))
            config.hooks.push_back(hook_of(reader, *item, static_cast<HookPoint>(i)));
}

void read_annotations(Reader& reader, const Node& tree, Config& config) {
    config.annotations = reader.pairs(tree, "annotations");
    const Node* const node = reader.find(tree, "annotations", Node::Kind::object);
    if (const Member* const unnamed = node == nullptr ? nullptr : node->member(""))
        reader.fault(Rule::bad_value, unnamed->key_at, "an annotation has no name",
                     "name it, such as \"com.example.key\"");
}

void read_names(Reader& reader, const Node& tree, Config& config) {
    config.hostname = reader.text(tree, "hostname");
    config.domainname = reader.text(tree, "domainname");
    for (const std::string_view key : {"hostname", "domainname"})
        if (const Node* const name = reader.find(tree, key, Node::Kind::string);
            name != nullptr && name->text.size() > __NEW_UTS_LEN)
            reader.fault(Rule::too_large, name->at, fmt::format("'{}' is too long", key),
                         fmt::format("at most {} bytes", __NEW_UTS_LEN));
}

// What belongs to a namespace that is not there would change the whole machine.
void check_namespaces(Reader& reader, const Node& tree, const Config& config) {
    if (!config.has(CLONE_NEWUTS))
        for (const std::string_view key : {"hostname", "domainname"})
            if (!reader.text(tree, key).empty())
                reader.fault(Rule::missing_namespace, tree.find(key)->at,
                             fmt::format("'{}' would be the whole machine's", key),
                             "add the uts namespace");
    if (config.has(CLONE_NEWUSER)) return;
    for (const auto& mount : config.mounts)
        if (mount.uid_mappings.empty() &&
            (has_word(mount.options, "idmap") || has_word(mount.options, "ridmap")))
            reader.fault(Rule::missing_key, mount.at,
                         "nothing says how to map the ids of the mount",
                         "add \"uidMappings\" and \"gidMappings\", or a user namespace");
}

Config config_of(Reader& reader, Node tree) {
    Config config;
    reader.refuse_all(tree, kRefused);
    read_version(reader, tree, config);
    read_root(reader, tree, config);
    if (const Node* const process = reader.find(tree, "process", Node::Kind::object))
        config.process = process_of(reader, *process);
    read_names(reader, tree, config);
    read_mounts(reader, tree, config);
    read_hooks(reader, tree, config);
    read_annotations(reader, tree, config);
    if (const Node* const own = reader.find(tree, "linux", Node::Kind::object))
        read_linux(reader, *own, config);
    check_namespaces(reader, tree, config);
    config.source = std::move(tree);
    return config;
}

// What `read` makes of the file's object, where it has no fault.
template <class Value, class Read>
std::optional<Value> read_file(std::string_view file, std::string_view bytes,
                               std::vector<Diagnostic>& diagnostics, Read read) {
    std::vector<Diagnostic> found;
    std::optional<Value> out;
    auto tree = read_json(file, bytes, found);
    if (tree && !tree->is(Node::Kind::object))
        found.push_back(
            finding(Rule::wrong_type, tree->at,
                    fmt::format("the file must be an object, not {}", kind_name(tree->kind))));
    if (tree && found.empty()) {
        Reader reader(found);
        out = read(reader, std::move(*tree));
    }
    if (has_errors(found)) out.reset();
    std::ranges::sort(found, {}, [](const Diagnostic& d) {
        return std::tuple(d.at.line, d.at.column, std::string_view(d.message));
    });
    std::ranges::move(found, std::back_inserter(diagnostics));
    return out;
}

}  // namespace

bool Config::has(std::uint64_t namespace_type) const {
    return std::ranges::find(namespaces, namespace_type, &Namespace::type) != namespaces.end();
}

std::string Config::annotation(std::string_view name) const {
    const auto it =
        std::ranges::find(annotations, name, &std::pair<std::string, std::string>::first);
    return it == annotations.end() ? "" : it->second;
}

std::optional<Config> read_config(std::string_view file, std::string_view bytes,
                                  std::vector<Diagnostic>& diagnostics) {
    return read_file<Config>(file, bytes, diagnostics, config_of);
}

std::optional<Config> read_sound_config(std::string_view bytes) {
    auto tree = read_json_unplaced(bytes);
    if (!tree || !tree->is(Node::Kind::object)) return std::nullopt;
    std::vector<Diagnostic> found;
    Reader reader(found);
    auto config = config_of(reader, std::move(*tree));
    if (!found.empty()) return std::nullopt;
    return config;
}

std::optional<Process> read_process(std::string_view file, std::string_view bytes,
                                    std::vector<Diagnostic>& diagnostics) {
    return read_file<Process>(file, bytes, diagnostics, process_of);
}

std::optional<Resources> read_resources(std::string_view file, std::string_view bytes,
                                        std::vector<Diagnostic>& diagnostics) {
    return read_file<Resources>(file, bytes, diagnostics, resources_of);
}

}  // namespace pmos::policy::oci
