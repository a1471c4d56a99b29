// policy: `linux` of an OCI file as values, but for its devices, resources and seccomp. Reads no
// file, knows no host.
#include <fmt/format.h>
#include <linux/personality.h>
#include <linux/sched.h>

#include <algorithm>
#include <array>
#include <set>

#include "policy/oci_reader.h"

namespace pmos::policy::oci {
namespace {

constexpr std::array kRefused{
    Refused{"intelRdt", "remove it: there is no resctrl on a phone", true},
    Refused{"mountLabel", "remove it: there is no SELinux here"},
    Refused{"netDevices", "remove it, and move the device with a hook"},
    Refused{"memoryPolicy", "remove it: use resources/cpu/mems", true},
};
constexpr std::array kRefusedOfPersonality{Refused{"flags", "no flag is defined: remove it"}};

constexpr std::array kDomains{NamedValue{"LINUX", PER_LINUX}, NamedValue{"LINUX32", PER_LINUX32}};

constexpr std::uint64_t kRecursive = 1U << 8;
constexpr NamedValue named(std::string_view name, Propagation kind, std::uint64_t recursive) {
    return {name, static_cast<std::uint64_t>(kind) | recursive};
}
// Those with an r are not the specification's, and every engine's.
constexpr std::array kPropagations{
    named("shared", Propagation::shared, 0),
    named("slave", Propagation::slave, 0),
    named("private", Propagation::private_, 0),
    named("unbindable", Propagation::unbindable, 0),
    named("rshared", Propagation::shared, kRecursive),
    named("rslave", Propagation::slave, kRecursive),
    named("rprivate", Propagation::private_, kRecursive),
    named("runbindable", Propagation::unbindable, kRecursive),
};

// The namespace that a setting is of; 0: the whole machine's.
std::uint64_t owner_of(std::string_view sysctl) {
    if (sysctl.starts_with("net.")) return CLONE_NEWNET;
    if (sysctl == "kernel.hostname" || sysctl == "kernel.domainname") return CLONE_NEWUTS;
    const bool ipc = sysctl.starts_with("fs.mqueue.") || sysctl.starts_with("kernel.shm") ||
                     sysctl.starts_with("kernel.msg") || sysctl == "kernel.sem";
    return ipc ? CLONE_NEWIPC : 0;
}

// sysctl(8): whichever of '.' and '/' comes first separates; the other one stands for itself.
std::string with_dots(std::string_view sysctl) {
    std::string out(sysctl);
    const auto first = out.find_first_of("./");
    if (first == std::string::npos || out[first] == '.') return out;
    std::ranges::transform(out, out.begin(), [](char c) {
        return c == '.' ? '/' : c == '/' ? '.' : c;
    });
    return out;
}

// Below /proc/sys.
bool is_sysctl_name(std::string_view dotted) {
    std::string path(dotted);
    std::ranges::transform(path, path.begin(), [](char c) {
        return c == '.' ? '/' : c == '/' ? '.' : c;
    });
    return is_relative_path(path);
}

void read_sysctl(Reader& reader, const Node& node, Config& config) {
    const Node* const table = reader.find(node, "sysctl", Node::Kind::object);
    if (table == nullptr) return;
    std::set<std::string> seen;
    for (const auto& [given, value] : reader.pairs(node, "sysctl")) {
        const auto& at = table->member(given)->key_at;
        auto name = with_dots(given);
        const auto owner = owner_of(name);
        if (!is_sysctl_name(name) || owner == 0)
            reader.fault(Rule::bad_value, at,
                         fmt::format("'{}' is not a setting of a container", shown(given)),
                         "those are net.*, fs.mqueue.*, kernel.shm*, kernel.msg*, kernel.sem, "
                         "kernel.hostname and kernel.domainname");
        else if (!config.has(owner))
            reader.fault(Rule::missing_namespace, at,
                         fmt::format("'{}' would be set for the whole machine", shown(given)),
                         fmt::format("add the {} namespace", name_of(namespace_names(), owner)));
        else if ((name == "kernel.hostname" && !config.hostname.empty()) ||
                 (name == "kernel.domainname" && !config.domainname.empty()))
            reader.fault(Rule::contradiction, at,
                         fmt::format("'{}' is given as a property too", given), "remove it");
        else if (!seen.insert(name).second)
            reader.fault(Rule::contradiction, at, fmt::format("'{}' is given twice", shown(name)),
                         "keep one of the two");
        config.sysctl.emplace_back(std::move(name), value);
    }
}

void read_namespaces(Reader& reader, const Node& node, Config& config) {
    for (const Node* const item : reader.items(node, "namespaces", Node::Kind::object)) {
        const Node* const type = reader.need(*item, "type", Node::Kind::string);
        const auto known = type == nullptr
                               ? std::nullopt
                               : reader.word(*type, namespace_names(), "type of namespace");
        const Node* const path = reader.find(*item, "path", Node::Kind::string);
        const bool joined = path != nullptr && !path->text.empty();
        const auto path_text = joined ? reader.host_path(*path) : "";
        if (!known) continue;
        const std::uint64_t bit = known.value_or(0);
        if (config.has(bit))
            reader.fault(Rule::contradiction, type->at,
                         fmt::format("namespace '{}' is given twice", type->text),
                         "keep one of the two");
        else
            config.namespaces.push_back({bit, path_text, item->at});
    }
}

const Namespace* find_namespace(const Config& config, std::uint64_t type) {
    const auto it = std::ranges::find(config.namespaces, type, &Namespace::type);
    return it == config.namespaces.end() ? nullptr : &*it;
}

void read_user_maps(Reader& reader, const Node& node, Config& config) {
    config.uid_map = reader.id_maps(node, "uidMappings");
    config.gid_map = reader.id_maps(node, "gidMappings");
    const Namespace* const user = find_namespace(config, CLONE_NEWUSER);
    for (const std::string_view key : {"uidMappings", "gidMappings"}) {
        const Node* const maps = reader.find(node, key, Node::Kind::array);
        const bool given = maps != nullptr && !maps->items.empty();
        if (given && user == nullptr)
            reader.fault(Rule::missing_namespace, maps->at,
                         fmt::format("'{}' has no meaning without a user namespace", key),
                         "add the user namespace, or remove the mappings");
        // Engines give the mappings of the namespace that they have made beside its path.
        if (!given && user != nullptr && user->path.empty())
            reader.fault(Rule::missing_key, user->at,
                         fmt::format("a new user namespace has no '{}'", key),
                         fmt::format("add \"{}\"", key));
    }
}

void read_time_offsets(Reader& reader, const Node& node, Config& config) {
    const Node* const offsets = reader.find(node, "timeOffsets", Node::Kind::object);
    if (offsets == nullptr || offsets->members.empty()) return;
    const Namespace* const own = find_namespace(config, CLONE_NEWTIME);
    if (own == nullptr || !own->path.empty())
        reader.fault(Rule::missing_namespace, offsets->at,
                     "'timeOffsets' has no meaning without a new time namespace",
                     "add the time namespace, without 'path'");
    for (const auto& [clock, at, value] : offsets->members) {
        const bool boottime = clock == "boottime";
        if (!boottime && clock != "monotonic") {
            reader.fault(Rule::bad_value, at, fmt::format("unknown clock '{}'", shown(clock)),
                         "one of: monotonic, boottime");
            continue;
        }
        const Node* const offset = reader.find(*offsets, clock, Node::Kind::object);
        if (offset == nullptr) continue;
        TimeOffset& out = boottime ? config.boottime_offset : config.monotonic_offset;
        out.seconds = reader.number<std::int64_t>(*offset, "secs").value_or(0);
        out.nanoseconds =
            reader.number<std::uint32_t>(*offset, "nanosecs", {0, 999'999'999}).value_or(0);
    }
}

void read_cgroups_path(Reader& reader, const Node& node, Config& config) {
    const Node* const path = reader.find(node, "cgroupsPath", Node::Kind::string);
    if (path == nullptr) return;
    config.cgroups_path = path->text;
    const auto guarded = fmt::format("/{}/", path->text);
    const bool control = std::ranges::any_of(
        path->text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (control || guarded.contains("/../"))
        reader.fault(Rule::bad_value, path->at,
                     fmt::format("'{}' is not the path of a cgroup", shown(path->text)),
                     "a path without \"..\", or \"slice:prefix:name\"");
}

void read_paths(Reader& reader, const Node& node, Config& config) {
    config.masked_paths = reader.paths_inside(node, "maskedPaths");
    config.read_only_paths = reader.paths_inside(node, "readonlyPaths");
    if (config.has(CLONE_NEWNS)) return;
    for (const std::string_view key : {"maskedPaths", "readonlyPaths"})
        if (const Node* const list = reader.find(node, key, Node::Kind::array);
            list != nullptr && !list->items.empty())
            reader.fault(Rule::missing_namespace, list->at,
                         fmt::format("'{}' would change the whole machine", key),
                         "add the mount namespace");
}

void read_personality(Reader& reader, const Node& node, Config& config) {
    const Node* const personality = reader.find(node, "personality", Node::Kind::object);
    if (personality == nullptr) return;
    reader.refuse_all(*personality, kRefusedOfPersonality);
    const Node* const domain = reader.need(*personality, "domain", Node::Kind::string);
    if (domain == nullptr) return;
    if (const auto known = reader.word(*domain, kDomains, "domain"))
        config.personality = static_cast<std::uint32_t>(*known);
}

void read_propagation(Reader& reader, const Node& node, Config& config) {
    const Node* const word = reader.find(node, "rootfsPropagation", Node::Kind::string);
    if (word == nullptr || word->text.empty()) return;
    const auto value = reader.word(*word, kPropagations, "propagation").value_or(0);
    config.root_propagation = static_cast<Propagation>(value & ~kRecursive);
    config.root_propagation_recursive = (value & kRecursive) != 0;
}

}  // namespace

void read_linux(Reader& reader, const Node& node, Config& config) {
    reader.refuse_all(node, kRefused);
    read_namespaces(reader, node, config);
    read_user_maps(reader, node, config);
    read_time_offsets(reader, node, config);
    config.devices = devices_of(reader, node);
    read_cgroups_path(reader, node, config);
    if (const Node* const resources = reader.find(node, "resources", Node::Kind::object))
        config.resources = resources_of(reader, *resources);
    if (const Node* const seccomp = reader.find(node, "seccomp", Node::Kind::object))
        config.seccomp = seccomp_of(reader, *seccomp);
    read_propagation(reader, node, config);
    read_paths(reader, node, config);
    read_sysctl(reader, node, config);
    read_personality(reader, node, config);
}

}  // namespace pmos::policy::oci
