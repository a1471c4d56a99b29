// policy: the config.json that `spec` writes: runc's, with less. Reads no file, knows no host.
#include <algorithm>
#include <array>
#include <string>

#include "policy/json_writer.h"
#include "policy/names.h"
#include "policy/oci_config.h"

namespace pmos::policy::oci {
namespace {

// Words between '|'.
struct ExampleMount {
    std::string_view destination, type, source, options;
};
constexpr std::string_view kGroupOfTty = "gid=5";
constexpr std::array kMounts{
    ExampleMount{"/proc", "proc", "proc", "nosuid|noexec|nodev"},
    ExampleMount{"/dev", "tmpfs", "tmpfs", "nosuid|noexec|strictatime|mode=755|size=65536k"},
    ExampleMount{"/dev/pts", "devpts", "devpts",
                 "nosuid|noexec|newinstance|ptmxmode=0666|mode=0620|gid=5"},
    ExampleMount{"/dev/shm", "tmpfs", "shm", "nosuid|noexec|nodev|mode=1777|size=65536k"},
    ExampleMount{"/dev/mqueue", "mqueue", "mqueue", "nosuid|noexec|nodev"},
    ExampleMount{"/sys", "sysfs", "sysfs", "nosuid|noexec|nodev|ro"},
    ExampleMount{"/sys/fs/cgroup", "cgroup", "cgroup", "nosuid|noexec|nodev|relatime|ro"},
};

constexpr std::string_view kMasked =
    "/proc/acpi|/proc/asound|/proc/interrupts|/proc/kcore|/proc/keys|/proc/latency_stats|"
    "/proc/sched_debug|/proc/scsi|/proc/timer_list|/proc/timer_stats|/sys/dev/block|"
    "/sys/devices/virtual/powercap|/sys/firmware|/sys/fs/selinux";
constexpr std::string_view kReadOnly = "/proc/bus|/proc/fs|/proc/irq|/proc/sys|/proc/sysrq-trigger";
constexpr std::string_view kNamespaces = "pid|network|ipc|uts|mount|cgroup";

void write_words(JsonWriter& out, std::string_view key, std::string_view words) {
    out.key(key).open_array();
    for (const auto word : split_list(words)) out.text(word);
    out.close();
}

void write_process(JsonWriter& out) {
    out.key("process").open_object();
    out.key("terminal").boolean(true);
    out.compact(true).key("user").open_object();
    out.key("uid").number(0).key("gid").number(0).close().compact(false);
    write_words(out, "args", "sh");
    write_words(out, "env",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin|TERM=xterm");
    out.key("cwd").text("/");
    out.key("capabilities").open_object();
    for (const auto set : {"bounding", "effective", "permitted", "inheritable", "ambient"})
        write_words(out, set, "");
    out.close();
    out.key("rlimits").open_array().compact(true).open_object();
    out.key("type").text("RLIMIT_NOFILE").key("hard").number(1024).key("soft").number(1024);
    out.close().compact(false).close();
    out.key("noNewPrivileges").boolean(true);
    out.close();
}

void write_mounts(JsonWriter& out, bool rootless) {
    out.key("mounts").open_array();
    for (const auto& mount : kMounts) {
        out.open_object();
        out.key("destination").text(mount.destination);
        out.key("type").text(mount.type);
        out.key("source").text(mount.source);
        out.compact(true).key("options").open_array();
        // An ordinary user has no second group to give.
        for (const auto option : split_list(mount.options))
            if (!rootless || option != kGroupOfTty) out.text(option);
        out.close().compact(false).close();
    }
    out.close();
}

void write_map(JsonWriter& out, std::string_view key, std::uint32_t id) {
    out.key(key).open_array().compact(true).open_object();
    out.key("containerID").number(0).key("hostID").number(id).key("size").number(1);
    out.close().compact(false).close();
}

void write_linux(JsonWriter& out, const std::optional<RootlessIds>& rootless) {
    out.key("linux").open_object();
    if (rootless) {
        write_map(out, "uidMappings", rootless->uid);
        write_map(out, "gidMappings", rootless->gid);
    } else {
        // An ordinary user could not attach the filter that it takes.
        out.key("resources").open_object().key("devices").open_array();
        out.compact(true).open_object();
        out.key("allow").boolean(false).key("access").text("rwm");
        out.close().compact(false).close().close();
    }
    out.key("namespaces").open_array();
    auto namespaces = split_list(kNamespaces);
    if (rootless) namespaces.emplace_back("user");
    for (const auto type : namespaces)
        out.compact(true).open_object().key("type").text(type).close().compact(false);
    out.close();
    write_words(out, "maskedPaths", kMasked);
    write_words(out, "readonlyPaths", kReadOnly);
    out.close();
}

// Four blanks for each two.
std::string indented(const std::string& text) {
    std::string out;
    bool front = true;
    for (const char c : text) {
        if (front && c == ' ') out += c;
        out += c;
        front = c == '\n' || (front && c == ' ');
    }
    return out;
}

}  // namespace

std::string example_config(std::optional<RootlessIds> rootless) {
    JsonWriter out;
    out.open_object();
    out.key("ociVersion").text(kVersion);
    write_process(out);
    out.compact(true).key("root").open_object();
    out.key("path").text("rootfs").key("readonly").boolean(true).close().compact(false);
    out.key("hostname").text("pmos");
    write_mounts(out, rootless.has_value());
    write_linux(out, rootless);
    out.close();
    return indented(out.take());
}

}  // namespace pmos::policy::oci
