// policy: a merged, well-shaped tree to a typed Profile. Knows no host.
#include "policy/profile.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "policy/language.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

std::string text_or(const Node* node, std::string otherwise) {
    return node == nullptr ? std::move(otherwise) : node->text;
}

std::int64_t integer_or(const Node* node, std::int64_t otherwise) {
    if (node == nullptr) return otherwise;
    const auto value = static_cast<std::int64_t>(node->magnitude);
    return node->negative ? -value : value;
}

std::uint32_t u32_or(const Node* node, std::uint32_t otherwise) {
    return node == nullptr ? otherwise : static_cast<std::uint32_t>(node->magnitude);
}

bool bool_or(const Node* node, bool otherwise) {
    return node == nullptr ? otherwise : node->boolean;
}

std::uint64_t size_or(const Node* node, std::uint64_t otherwise) {
    if (node == nullptr) return otherwise;
    if (node->is(Node::Kind::integer)) return node->magnitude;
    return parse_size(node->text).value_or(otherwise);
}

std::uint32_t duration_or(const Node* node, std::uint32_t otherwise) {
    if (node == nullptr) return otherwise;
    const auto ms = parse_duration(node->text).value_or(otherwise);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(ms, UINT32_MAX));
}

std::vector<std::string> texts(const Node* node) {
    std::vector<std::string> out;
    if (node != nullptr)
        for (const auto& item : node->items) out.push_back(item.text);
    return out;
}

class Reader {
  public:
    Reader(const Node& root, std::string file, std::vector<Diagnostic>& out)
        : root_(with_defaults(profile_language(), root)), out_(out) {
        p_.source = root;
        p_.file = std::move(file);
    }
    Profile read();

  private:
    void volume(const Node& node);
    void process();
    void user(const Node* node);
    void environment(const Node* node);
    void rlimits(const Node* node);
    void capabilities(const Node* node);
    void namespaces();
    void mount(const Node& node);
    void seccomp_rule(const Node& node);
    void devices();
    void network();
    void resources();
    void limit(std::string_view path, std::string file, std::string controller);
    void session();
    void hooks();
    void check_targets();
    void check_options(const std::vector<std::string>& options, const Location& at);

    const Node* get(std::string_view path) const { return root_.at_path(path); }
    void fault(Rule rule, const Location& at, std::string message, std::string fix = "",
               std::vector<Location> related = {}) {
        out_.push_back(finding(rule, at, std::move(message), std::move(fix), std::move(related)));
    }

    const Node root_;  // with defaults; p_.source is without
    std::vector<Diagnostic>& out_;
    Profile p_;
};

Profile Reader::read() {
    p_.mode = text_or(get("mode"), "");
    p_.hostname = text_or(get("process/hostname"), p_.mode);
    p_.image = text_or(get("root/image"), "");
    p_.id_start = u32_or(get("identity/uidRange/start"), 0);
    p_.id_count = u32_or(get("identity/uidRange/count"), 0);
    if (std::uint64_t{p_.id_start} + p_.id_count > UINT32_MAX)
        fault(Rule::out_of_range, p_.where("identity/uidRange"),
              "the id range ends beyond 2^32 - 2");
    if (const Node* list = get("volumes"))
        for (const auto& item : list->items) volume(item);
    process();
    namespaces();
    if (const Node* list = get("mounts"))
        for (const auto& item : list->items) mount(item);
    check_targets();
    p_.seccomp_allow = texts(get("seccomp/allow"));
    p_.seccomp_log = !texts(get("seccomp/flags")).empty();
    p_.tell_arguments = bool_or(get("denials/arguments"), false);
    p_.tell_capabilities = bool_or(get("denials/capabilities"), false);
    p_.tell_landlock = bool_or(get("denials/landlock"), false);
    if (const Node* list = get("seccomp/rules"))
        for (const auto& item : list->items) seccomp_rule(item);
    devices();
    network();
    resources();
    session();
    hooks();
    p_.proc_pid_only = text_or(get("procSubset"), "all") == "pid";
    p_.apparmor = text_or(get("lsm/apparmor"), "");
    p_.apparmor_required = bool_or(get("lsm/required"), false);
    p_.landlock_required = bool_or(get("landlock/required"), false);
    p_.landlock_execute = texts(get("landlock/execute"));
    return std::move(p_);
}

void Reader::volume(const Node& node) {
    VolumeSpec v;
    v.at = node.at;
    v.name = text_or(node.find("name"), "");
    v.target = text_or(node.find("target"), "");
    v.size = size_or(node.find("size"), 0);
    v.file = text_or(node.at_path("source/file"), "");
    v.device = text_or(node.at_path("source/device"), "");
    v.options = texts(node.find("options"));
    v.cipher = text_or(node.at_path("luks/cipher"), "");
    v.key_bits = u32_or(node.at_path("luks/keySize"), 0);
    v.sector_size = u32_or(node.at_path("luks/sectorSize"), 0);
    v.pbkdf = text_or(node.at_path("luks/pbkdf/type"), "");
    v.pbkdf_memory_max = size_or(node.at_path("luks/pbkdf/memoryMax"), 0);
    v.pbkdf_time_ms = u32_or(node.at_path("luks/pbkdf/timeMs"), 0);
    v.unlock = texts(node.find("unlock"));
    check_options(v.options, node.at);
    if (!v.file.empty() && !v.device.empty())
        fault(Rule::contradiction, node.at, "a volume has a file or a device, not both");
    if (v.device.empty() && v.size == 0)
        fault(Rule::missing_key, node.at, "'size' is missing", "add \"size\": \"64MiB\"");
    if (!v.device.empty() && v.size != 0)
        fault(Rule::contradiction, node.at, "a device brings its own size", "remove 'size'");
    if (!v.device.empty() && !v.device.starts_with("/dev/"))
        fault(Rule::bad_value, node.at, "a device is below /dev");
    const auto place = [&](std::string_view path) {
        const Node* found = node.at_path(path);
        return found == nullptr ? node.at : found->at;
    };
    if (v.key_bits != 256 && v.key_bits != 512)
        fault(Rule::bad_value, place("luks/keySize"), "the key size is 256 or 512");
    if (v.sector_size != 512 && v.sector_size != 4096)
        fault(Rule::bad_value, place("luks/sectorSize"), "the sector size is 512 or 4096");
    if (v.unlock.empty()) fault(Rule::bad_value, node.at, "nothing unlocks this volume");
    for (const auto& other : p_.volumes)
        if (other.name == v.name)
            fault(Rule::duplicate_volume, node.at,
                  fmt::format("volume '{}' is there twice", v.name), "", {other.at});
    p_.volumes.push_back(std::move(v));
}

void Reader::process() {
    Process& process = p_.process;
    process.args = texts(get("process/args"));
    process.cwd = text_or(get("process/cwd"), "");
    process.oom_score_adj = static_cast<std::int32_t>(integer_or(get("process/oomScoreAdj"), 0));
    if (process.args.empty() || process.args.front().empty())
        fault(Rule::bad_value, p_.where("process/args"), "there is no program to run");
    user(get("process/user"));
    environment(get("process/env"));
    rlimits(get("process/rlimits"));
    capabilities(get("process/capabilities"));
}

void Reader::user(const Node* node) {
    if (node == nullptr) return;
    Process& process = p_.process;
    process.uid = u32_or(node->find("uid"), 0);
    process.gid = u32_or(node->find("gid"), 0);
    process.umask = parse_octal(text_or(node->find("umask"), "")).value_or(0);
    if (const Node* list = node->find("additionalGids"))
        for (const auto& item : list->items) process.additional_gids.push_back(u32_or(&item, 0));
    const auto outside = [&](std::uint32_t id) { return id >= p_.id_count; };
    if (outside(process.uid) || outside(process.gid) ||
        std::ranges::any_of(process.additional_gids, outside))
        fault(Rule::out_of_range, node->at, "an id inside is beyond the mode's id range",
              fmt::format("ids go from 0 to {}", p_.id_count - 1),
              {p_.where("identity/uidRange/count")});
}

void Reader::environment(const Node* node) {
    std::vector<std::string> env = texts(node);
    const auto name = [](std::string_view entry) { return entry.substr(0, entry.find('=')); };
    for (std::size_t i = 0; i < env.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (name(env[i]) == name(env[j]))
                fault(Rule::duplicate_key, node->items[i].at,
                      fmt::format("variable '{}' is given twice", shown(name(env[i]))), "",
                      {node->items[j].at});
    const std::array<std::string, 4> defaults{
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        p_.process.uid == 0 ? "HOME=/root" : "HOME=/", "LANG=C.UTF-8", "container=pmos"};
    for (const auto& entry : defaults)
        if (std::ranges::find(env, name(entry), name) == env.end()) p_.process.env.push_back(entry);
    p_.process.env.insert(p_.process.env.end(), env.begin(), env.end());
}

std::uint64_t rlimit_of(const Node& node) {
    return node.is(Node::Kind::string) ? RLIM_INFINITY : node.magnitude;
}

void Reader::rlimits(const Node* node) {
    bool core = false;
    if (node != nullptr) {
        for (const auto& member : node->members) {
            const Node* soft = member.value.find("soft");
            const Node* hard = member.value.find("hard");
            const auto resource = value_of(rlimit_names(), member.key).value_or(0);
            Rlimit limit{static_cast<std::uint32_t>(resource),
                         rlimit_of(soft != nullptr ? *soft : member.value),
                         rlimit_of(hard != nullptr ? *hard : member.value)};
            if (limit.soft > limit.hard)
                fault(Rule::bad_value, member.value.at, "the soft limit is above the hard one");
            core |= limit.resource == RLIMIT_CORE;
            p_.process.rlimits.push_back(limit);
        }
    }
    // What a mode holds must not seep out in a core file.
    if (!core) p_.process.rlimits.push_back({RLIMIT_CORE, 0, 0});
    std::ranges::sort(p_.process.rlimits, {}, &Rlimit::resource);
}

void Reader::capabilities(const Node* node) {
    std::uint64_t bits = 0;
    for (const auto& name : texts(node))
        bits |= 1ULL << value_of(capability_names(), name).value_or(0);
    // Set-uid root is off (SECBIT_NOROOT) and files carry none, so only the ambient set survives
    // an exec; with no capability granted all five sets are empty.
    p_.process.capabilities = {bits, bits, bits, bits, bits};
}

void Reader::namespaces() {
    std::uint64_t all = 0;
    for (const auto& entry : namespace_names()) all |= entry.value;
    p_.namespaces = all;
    const Node* offsets = get("timeOffsets");
    if (offsets != nullptr) {
        p_.monotonic_offset = integer_or(offsets->find("monotonic"), 0);
        p_.boottime_offset = integer_or(offsets->find("boottime"), 0);
    }
    p_.time_named = offsets != nullptr;
    const Node* list = get("namespaces");
    if (list == nullptr) return;
    p_.namespaces = 0;
    for (const auto& item : list->items)
        p_.namespaces |= value_of(namespace_names(), item.text).value_or(0);
    p_.time_named = p_.time_named || (p_.namespaces & CLONE_NEWTIME) != 0;
    for (const auto& entry : namespace_names())
        if ((p_.namespaces & entry.value) == 0 && entry.value != CLONE_NEWTIME)
            fault(Rule::missing_namespace, list->at,
                  fmt::format("without a {} namespace modes are not separate", entry.name),
                  fmt::format("add \"{}\", or leave 'namespaces' out", entry.name));
    if (offsets != nullptr && (p_.namespaces & CLONE_NEWTIME) == 0)
        fault(Rule::contradiction, offsets->at, "time offsets need a time namespace",
              "add \"time\" to 'namespaces'", {list->at});
}

void Reader::check_options(const std::vector<std::string>& options, const Location& at) {
    const auto has = [&](std::string_view o) { return has_word(options, o); };
    if ((has("ro") && has("rw")) || (has("exec") && has("noexec")))
        fault(Rule::contradiction, at, "the mount options contradict each other");
}

void Reader::mount(const Node& node) {
    MountSpec m;
    m.at = node.at;
    m.type = text_or(node.find("type"), "");
    m.source = text_or(node.find("source"), "");
    m.target = text_or(node.find("target"), "");
    m.options = texts(node.find("options"));
    m.size = size_or(node.find("size"), 0);
    check_options(m.options, node.at);
    if (m.type == "bind" && m.source.empty())
        fault(Rule::missing_key, node.at, "'source' is missing", "name the directory of the host");
    if (m.type == "bind" && m.size != 0)
        fault(Rule::contradiction, node.at, "a bind mount has no size", "remove 'size'");
    if (m.type == "tmpfs" && !m.source.empty())
        fault(Rule::contradiction, node.at, "a tmpfs has no source", "remove 'source'");
    if (m.type == "bind" && !m.source.empty()) {
        // Trees that would hand over the host or another mode.
        constexpr std::array<std::string_view, 9> kNever{
            "/proc", "/sys", "/dev",          "/run",           "/boot",
            "/root", "/etc", "/var/lib/pmos", "/usr/share/pmos"};
        for (const auto tree : kNever)
            if (m.source == "/" || m.source == tree ||
                m.source.starts_with(std::string(tree) + "/") || tree.starts_with(m.source + "/"))
                return fault(Rule::forbidden_source, node.find("source")->at,
                             fmt::format("'{}' may not be shown to a mode", shown(m.source)),
                             "bind a directory made for the purpose");
    }
    p_.mounts.push_back(std::move(m));
}

void Reader::check_targets() {
    struct Target {
        std::string path;
        Location at;
    };
    std::vector<Target> seen;
    const auto check = [&](const std::string& path, const Location& at) {
        for (const std::string_view tree : {"/proc", "/sys", "/dev"})
            if (path == tree || path.starts_with(std::string(tree) + "/"))
                fault(Rule::forbidden_target, at, fmt::format("nothing is mounted on '{}'", path));
        if (path == "/")
            fault(Rule::forbidden_target, at, "the root is the image", "choose a directory in it");
        for (const auto& other : seen) {
            if (other.path == path)
                fault(Rule::duplicate_target, at, fmt::format("'{}' is mounted twice", path), "",
                      {other.at});
            else if (other.path.starts_with(path + "/"))
                fault(Rule::hidden_target, at,
                      fmt::format("this mount hides '{}', mounted before it", other.path),
                      "put the outer one first", {other.at});
        }
        seen.push_back({path, at});
    };
    for (const auto& v : p_.volumes) check(v.target, v.at);
    for (const auto& m : p_.mounts) check(m.target, m.at);
}

void Reader::seccomp_rule(const Node& node) {
    constexpr std::array<std::pair<std::string_view, Compare>, 7> kOps{
        {{"SCMP_CMP_NE", Compare::ne},
         {"SCMP_CMP_LT", Compare::lt},
         {"SCMP_CMP_LE", Compare::le},
         {"SCMP_CMP_EQ", Compare::eq},
         {"SCMP_CMP_GE", Compare::ge},
         {"SCMP_CMP_GT", Compare::gt},
         {"SCMP_CMP_MASKED_EQ", Compare::masked_eq}}};
    SyscallRule rule;
    rule.names = texts(node.find("names"));
    const std::string action = text_or(node.find("action"), "");
    const auto error = value_of(errno_names(), text_or(node.find("errno"), "EPERM"));
    rule.verdict = action == "allow" ? verdict_allow()
                   : action == "kill"
                       ? verdict_kill()
                       : verdict_errno(static_cast<std::uint32_t>(error.value_or(EPERM)));
    if (action != "errno" && node.find("errno") != nullptr)
        fault(Rule::contradiction, node.find("errno")->at, "'errno' belongs to the action errno");
    const Node* args = node.find("args");
    if (args != nullptr && args->items.size() > 6)
        return fault(Rule::too_large, args->at, "more than six tests in one rule",
                     "write two rules");
    for (std::size_t i = 0; args != nullptr && i < args->items.size(); ++i) {
        const Node& arg = args->items[i];
        const auto bits = [&](std::string_view key) {
            const Node* n = arg.find(key);
            return n == nullptr ? 0 : n->negative ? 0 - n->magnitude : n->magnitude;
        };
        const auto op = std::ranges::find(kOps, text_or(arg.find("op"), ""),
                                          [](const auto& o) { return std::string(o.first); });
        rule.args.push_back({u32_or(arg.find("index"), 0),
                             op == kOps.end() ? Compare::eq : op->second, bits("value"),
                             bits("valueTwo")});
        if (rule.args.back().op == Compare::masked_eq && arg.find("valueTwo") == nullptr)
            fault(Rule::missing_key, arg.at, "'valueTwo' is missing",
                  "SCMP_CMP_MASKED_EQ compares argument & value with valueTwo");
    }
    p_.seccomp_rules.push_back(rule);
}

void Reader::devices() {
    const Node* node = get("devices");
    if (node == nullptr) return;
    for (const auto& member : node->members)
        p_.devices[member.key] =
            member.value.is(Node::Kind::string) ? member.value.text : std::string("broker");
}

void Reader::network() {
    const Node* node = get("network");
    if (node == nullptr) return;
    if (node->is(Node::Kind::string)) {
        p_.network = node->text;
        return;
    }
    const bool tunnel = node->find("tunnel") != nullptr, direct = node->find("direct") != nullptr;
    if (tunnel == direct)
        fault(Rule::contradiction, node->at, "a network is a tunnel or direct",
              "give one of 'tunnel' and 'direct'");
    p_.network = tunnel ? "tunnel" : "direct";
}

void Reader::limit(std::string_view path, std::string file, std::string controller) {
    const Node* node = get(path);
    if (node == nullptr) return;
    const Node* value = node->is(Node::Kind::object) ? node->find("value") : node;
    if (value == nullptr) return;
    const KeySpec* spec = find_key(profile_language(), path);
    LimitSpec limit{std::move(file), "", std::move(controller),
                    bool_or(node->find("optional"), false), node->at};
    const bool text = value->is(Node::Kind::string);
    const auto size = text ? parse_size(value->text) : std::optional(value->magnitude);
    if (spec->format == Format::size_or_max && (size || (text && value->text == "max"))) {
        limit.value = size ? std::to_string(*size) : "max";
    } else if (spec->format == Format::cpu_max && text) {
        limit.value = value->text;
    } else if (spec->format == Format::free && !text && !value->negative &&
               size >= static_cast<std::uint64_t>(spec->min) &&
               size <= static_cast<std::uint64_t>(spec->max)) {
        limit.value = std::to_string(*size);
    } else {
        return fault(Rule::bad_value, value->at, fmt::format("'{}' cannot have this value", path),
                     spec->example.empty() ? "" : fmt::format("for example {}", spec->example));
    }
    p_.limits.push_back(std::move(limit));
}

void Reader::resources() {
    limit("resources/memory/max", "memory.max", "memory");
    limit("resources/memory/high", "memory.high", "memory");
    limit("resources/memory/swapMax", "memory.swap.max", "memory");
    limit("resources/pids/max", "pids.max", "pids");
    limit("resources/cpu/max", "cpu.max", "cpu");
    limit("resources/cpu/weight", "cpu.weight", "cpu");
    limit("resources/io/weight", "io.weight", "io");
}

void Reader::session() {
    p_.session.autostart = bool_or(get("session/autostart"), false);
    p_.session.background =
        text_or(get("session/background"), "") == "run" ? Background::run : Background::freeze;
    p_.session.on_lock =
        text_or(get("session/onLock"), "") == "suspend" ? OnLock::suspend : OnLock::evict;
    p_.session.stop_timeout_ms = duration_or(get("session/stopTimeout"), 0);
}

void Reader::hooks() {
    const Node* node = get("hooks");
    if (node == nullptr) return;
    const KeySpec* row = find_key(profile_language(), "hooks/*/[]/timeout");
    const auto otherwise = parse_duration(row->fallback.substr(1, row->fallback.size() - 2));
    const auto names = split_list(kHookPointNames);
    for (std::size_t i = 0; i < names.size(); ++i) {
        const Node* list = node->find(names[i]);
        if (list == nullptr) continue;
        const auto point = static_cast<HookPoint>(i);
        for (const auto& item : list->items) {
            const bool text = item.is(Node::Kind::string);
            p_.hooks.push_back({point, text ? item.text : text_or(item.find("path"), ""),
                                texts(item.find("args")),
                                duration_or(item.find("timeout"),
                                            static_cast<std::uint32_t>(otherwise.value_or(0)))});
        }
    }
}

}  // namespace

Location Profile::where(std::string_view path) const {
    while (!path.empty()) {
        if (const Node* node = source.at_path(path)) return node->at;
        const auto slash = path.rfind('/');
        path = slash == std::string_view::npos ? "" : path.substr(0, slash);
    }
    return source.at;
}

Profile read_profile(const Node& root, std::string file, std::vector<Diagnostic>& diagnostics) {
    return Reader(root, std::move(file), diagnostics).read();
}

}  // namespace pmos::policy
