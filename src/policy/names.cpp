// policy: the field's names and what the kernel calls them. Knows no profile.
#include "policy/names.h"

#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <limits>

#include "policy/diagnostic.h"
#include "policy/launch_plan.h"

namespace pmos::policy {
namespace {

constexpr std::array kCapabilities{
    NamedValue{"CAP_CHOWN", CAP_CHOWN},
    NamedValue{"CAP_DAC_OVERRIDE", CAP_DAC_OVERRIDE},
    NamedValue{"CAP_DAC_READ_SEARCH", CAP_DAC_READ_SEARCH},
    NamedValue{"CAP_FOWNER", CAP_FOWNER},
    NamedValue{"CAP_FSETID", CAP_FSETID},
    NamedValue{"CAP_KILL", CAP_KILL},
    NamedValue{"CAP_SETGID", CAP_SETGID},
    NamedValue{"CAP_SETUID", CAP_SETUID},
    NamedValue{"CAP_SETPCAP", CAP_SETPCAP},
    NamedValue{"CAP_LINUX_IMMUTABLE", CAP_LINUX_IMMUTABLE},
    NamedValue{"CAP_NET_BIND_SERVICE", CAP_NET_BIND_SERVICE},
    NamedValue{"CAP_NET_BROADCAST", CAP_NET_BROADCAST},
    NamedValue{"CAP_NET_ADMIN", CAP_NET_ADMIN},
    NamedValue{"CAP_NET_RAW", CAP_NET_RAW},
    NamedValue{"CAP_IPC_LOCK", CAP_IPC_LOCK},
    NamedValue{"CAP_IPC_OWNER", CAP_IPC_OWNER},
    NamedValue{"CAP_SYS_MODULE", CAP_SYS_MODULE},
    NamedValue{"CAP_SYS_RAWIO", CAP_SYS_RAWIO},
    NamedValue{"CAP_SYS_CHROOT", CAP_SYS_CHROOT},
    NamedValue{"CAP_SYS_PTRACE", CAP_SYS_PTRACE},
    NamedValue{"CAP_SYS_PACCT", CAP_SYS_PACCT},
    NamedValue{"CAP_SYS_ADMIN", CAP_SYS_ADMIN},
    NamedValue{"CAP_SYS_BOOT", CAP_SYS_BOOT},
    NamedValue{"CAP_SYS_NICE", CAP_SYS_NICE},
    NamedValue{"CAP_SYS_RESOURCE", CAP_SYS_RESOURCE},
    NamedValue{"CAP_SYS_TIME", CAP_SYS_TIME},
    NamedValue{"CAP_SYS_TTY_CONFIG", CAP_SYS_TTY_CONFIG},
    NamedValue{"CAP_MKNOD", CAP_MKNOD},
    NamedValue{"CAP_LEASE", CAP_LEASE},
    NamedValue{"CAP_AUDIT_WRITE", CAP_AUDIT_WRITE},
    NamedValue{"CAP_AUDIT_CONTROL", CAP_AUDIT_CONTROL},
    NamedValue{"CAP_SETFCAP", CAP_SETFCAP},
    NamedValue{"CAP_MAC_OVERRIDE", CAP_MAC_OVERRIDE},
    NamedValue{"CAP_MAC_ADMIN", CAP_MAC_ADMIN},
    NamedValue{"CAP_SYSLOG", CAP_SYSLOG},
    NamedValue{"CAP_WAKE_ALARM", CAP_WAKE_ALARM},
    NamedValue{"CAP_BLOCK_SUSPEND", CAP_BLOCK_SUSPEND},
    NamedValue{"CAP_AUDIT_READ", CAP_AUDIT_READ},
    NamedValue{"CAP_PERFMON", CAP_PERFMON},
    NamedValue{"CAP_BPF", CAP_BPF},
    NamedValue{"CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE},
};

constexpr std::array kRlimits{
    NamedValue{"as", RLIMIT_AS},
    NamedValue{"core", RLIMIT_CORE},
    NamedValue{"cpu", RLIMIT_CPU},
    NamedValue{"data", RLIMIT_DATA},
    NamedValue{"fsize", RLIMIT_FSIZE},
    NamedValue{"locks", RLIMIT_LOCKS},
    NamedValue{"memlock", RLIMIT_MEMLOCK},
    NamedValue{"msgqueue", RLIMIT_MSGQUEUE},
    NamedValue{"nice", RLIMIT_NICE},
    NamedValue{"nofile", RLIMIT_NOFILE},
    NamedValue{"nproc", RLIMIT_NPROC},
    NamedValue{"rss", RLIMIT_RSS},
    NamedValue{"rtprio", RLIMIT_RTPRIO},
    NamedValue{"rttime", RLIMIT_RTTIME},
    NamedValue{"sigpending", RLIMIT_SIGPENDING},
    NamedValue{"stack", RLIMIT_STACK},
};

constexpr std::array kNamespaces{
    NamedValue{"user", CLONE_NEWUSER},   NamedValue{"mount", CLONE_NEWNS},
    NamedValue{"pid", CLONE_NEWPID},     NamedValue{"ipc", CLONE_NEWIPC},
    NamedValue{"uts", CLONE_NEWUTS},     NamedValue{"cgroup", CLONE_NEWCGROUP},
    NamedValue{"network", CLONE_NEWNET}, NamedValue{"time", CLONE_NEWTIME},
};

constexpr std::array kErrnos{
    NamedValue{"EPERM", EPERM},
    NamedValue{"ENOENT", ENOENT},
    NamedValue{"EINTR", EINTR},
    NamedValue{"EIO", EIO},
    NamedValue{"EBADF", EBADF},
    NamedValue{"EAGAIN", EAGAIN},
    NamedValue{"ENOMEM", ENOMEM},
    NamedValue{"EACCES", EACCES},
    NamedValue{"EBUSY", EBUSY},
    NamedValue{"EEXIST", EEXIST},
    NamedValue{"ENODEV", ENODEV},
    NamedValue{"EINVAL", EINVAL},
    NamedValue{"ENOTTY", ENOTTY},
    NamedValue{"EROFS", EROFS},
    NamedValue{"ENOSYS", ENOSYS},
    NamedValue{"EOPNOTSUPP", EOPNOTSUPP},
    NamedValue{"EAFNOSUPPORT", EAFNOSUPPORT},
    NamedValue{"EPROTONOSUPPORT", EPROTONOSUPPORT},
};

// "rw" and "exec" take an attribute away that a mount has by default: value 0.
constexpr std::array kMountOptions{
    NamedValue{"ro", MOUNT_ATTR_RDONLY},       NamedValue{"rw", 0},
    NamedValue{"noexec", MOUNT_ATTR_NOEXEC},   NamedValue{"exec", 0},
    NamedValue{"nosuid", MOUNT_ATTR_NOSUID},   NamedValue{"nodev", MOUNT_ATTR_NODEV},
    NamedValue{"noatime", MOUNT_ATTR_NOATIME}, NamedValue{"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW},
};

struct Unit {
    std::string_view suffix;
    std::uint64_t factor;
};

std::optional<std::uint64_t> parse_quantity(std::string_view text, std::span<const Unit> units) {
    std::uint64_t value = 0;
    const auto end = text.data() + text.size();
    const auto [stop, ec] = std::from_chars(text.data(), end, value);
    if (ec != std::errc{}) return std::nullopt;
    const std::string_view suffix(stop, static_cast<std::size_t>(end - stop));
    const auto unit = std::ranges::find(units, suffix, &Unit::suffix);
    if (unit == units.end()) return std::nullopt;
    if (value > std::numeric_limits<std::uint64_t>::max() / unit->factor) return std::nullopt;
    return value * unit->factor;
}

// Segments between slashes, none of them empty, "." or "..", no control characters.
bool clean_segments(std::string_view text) {
    if (text.empty() || text.size() > 1024) return false;
    while (true) {
        const auto slash = text.find('/');
        const auto segment = text.substr(0, slash);
        if (segment.empty() || segment == "." || segment == ".." || segment.size() > 255)
            return false;
        if (std::ranges::any_of(
                segment, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
            return false;
        if (slash == std::string_view::npos) return true;
        text.remove_prefix(slash + 1);
    }
}

}  // namespace

std::span<const NamedValue> capability_names() { return kCapabilities; }
std::span<const NamedValue> rlimit_names() { return kRlimits; }
std::span<const NamedValue> namespace_names() { return kNamespaces; }
std::span<const NamedValue> errno_names() { return kErrnos; }
std::span<const NamedValue> mount_option_names() { return kMountOptions; }

std::optional<std::uint64_t> value_of(std::span<const NamedValue> table, std::string_view name) {
    const auto it = std::ranges::find(table, name, &NamedValue::name);
    if (it == table.end()) return std::nullopt;
    return it->value;
}

std::string_view name_of(std::span<const NamedValue> table, std::uint64_t value) {
    const auto it = std::ranges::find(table, value, &NamedValue::value);
    return it == table.end() ? std::string_view{} : it->name;
}

std::string_view nearest_name(std::string_view word, std::span<const NamedValue> table) {
    std::vector<std::string_view> names;
    for (const auto& entry : table) names.push_back(entry.name);
    return nearest(word, names);
}

std::vector<std::string_view> split_list(std::string_view list) {
    std::vector<std::string_view> words;
    while (!list.empty()) {
        const auto bar = list.find('|');
        words.push_back(list.substr(0, bar));
        if (bar == std::string_view::npos) break;
        list.remove_prefix(bar + 1);
    }
    return words;
}

bool has_word(std::span<const std::string> words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

std::string_view word_at(std::string_view list, std::size_t index) {
    const auto words = split_list(list);
    return index < words.size() ? words[index] : "unknown";
}

std::string_view hook_point_name(HookPoint point) { return word_at(kHookPointNames, point); }

std::optional<std::uint64_t> parse_size(std::string_view text) {
    constexpr std::array kUnits{Unit{"", 1}, Unit{"KiB", 1ULL << 10}, Unit{"MiB", 1ULL << 20},
                                Unit{"GiB", 1ULL << 30}, Unit{"TiB", 1ULL << 40}};
    return parse_quantity(text, kUnits);
}

std::optional<std::uint64_t> parse_duration(std::string_view text) {
    constexpr std::array kUnits{Unit{"ms", 1}, Unit{"s", 1000}, Unit{"min", 60'000},
                                Unit{"h", 3'600'000}};
    return parse_quantity(text, kUnits);
}

std::optional<std::uint32_t> parse_octal(std::string_view text) {
    std::uint32_t value = 0;
    const auto end = text.data() + text.size();
    const auto [stop, ec] = std::from_chars(text.data(), end, value, 8);
    if (ec != std::errc{} || stop != end || value > 0777) return std::nullopt;
    return value;
}

bool is_mode_name(std::string_view text) {
    if (text.empty() || text.size() > 32 || text[0] < 'a' || text[0] > 'z') return false;
    return std::ranges::all_of(
        text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

bool is_absolute_path(std::string_view text) {
    return text == "/" || (text.starts_with('/') && clean_segments(text.substr(1)));
}

bool is_relative_path(std::string_view text) {
    return !text.starts_with('/') && clean_segments(text);
}

}  // namespace pmos::policy
