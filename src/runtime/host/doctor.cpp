// host: says in words what this phone lacks, for which profile key, and what to do. Pure.
#include "runtime/host/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "policy/handset.h"
#include "policy/luks.h"

namespace pmos::host {
namespace {

using policy::HostFacts;

bool has(const std::vector<std::string>& words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

class Report {
  public:
    void add(std::string severity, std::string subject, std::string message,
             std::string hint = "") {
        findings_.push_back(
            {std::move(severity), std::move(subject), std::move(message), std::move(hint)});
    }
    // "ok" and what is there, or severity, what that means and what to do.
    void require(bool there, const char* subject, std::string good, const char* severity,
                 std::string lack, std::string hint) {
        if (there)
            add("ok", subject, std::move(good));
        else
            add(severity, subject, std::move(lack), std::move(hint));
    }
    std::vector<Finding> take() { return std::move(findings_); }

  private:
    std::vector<Finding> findings_;
};

void examine_confinement(const HostFacts& f, Report& report) {
    report.require(f.landlock_abi > 0, "landlock", fmt::format("ABI {}", f.landlock_abi), "warning",
                   "the kernel has no Landlock: modes start without that layer",
                   "boot with lsm=landlock,... on a kernel with CONFIG_SECURITY_LANDLOCK");
    report.require(f.apparmor, "apparmor", "enabled", "warning",
                   "AppArmor is not enabled: modes start without that layer",
                   "boot with apparmor=1 security=apparmor");
    report.require(
        f.device_revocation, "device revocation",
        "what a mode has open can be taken from it while it runs on in the background", "note",
        "what a mode has open cannot be taken from it while it runs on: one with devices "
        "for the foreground must freeze in the background",
        "boot with lsm=...,bpf on a kernel with CONFIG_BPF_LSM and CONFIG_DEBUG_INFO_BTF");
    report.require(f.time_namespace, "time namespace", "available", "error",
                   "the kernel has no time namespaces: no mode can start",
                   "use a kernel with CONFIG_TIME_NS");
}

// What cannot be seen is said, so that silence is not taken for peace.
void examine_denials(const HostFacts& f, Report& report) {
    report.require(f.audit, "denials",
                   "of system calls (kills with their number; refusals where seccomp/flags or "
                   "denials/arguments asks) and of files by AppArmor: told with their line by "
                   "pmosctl events --denials",
                   "warning", "the kernel has no audit: no denial is told",
                   "use a kernel with CONFIG_AUDIT, without audit=0");
    report.require(
        f.device_denials, "denials of devices", "told with their line", "warning",
        "device filters cannot report on this kernel: no denial of a device is told",
        "use a kernel with BPF ring buffers (5.8) and helpers for cgroup programs (6.1)");
    const bool counts = has(f.cgroup_controllers, "memory") && has(f.cgroup_controllers, "pids");
    report.require(f.cgroup_v2 && counts, "denials by cgroup limits",
                   "memory and pids: told with their line", "warning",
                   "what a limit of memory or pids does is not told: its controller is missing",
                   "enable it in the kernel");
    const std::string why = f.refusals_unseen.empty() ? "" : " (" + f.refusals_unseen + ")";
    report.require(f.capability_denials, "denials of capabilities",
                   "told where denials/capabilities asks", "note",
                   "not told: no program can run after the kernel's check" + why,
                   "use a kernel with CONFIG_DEBUG_INFO_BTF and BPF trampolines (fexit)");
    if (f.landlock_abi > 0)
        report.require(f.landlock_denials, "denials by Landlock",
                       "told where denials/landlock asks" +
                           (why.empty() ? "" : ", as far as this kernel lets each be seen" + why),
                       "note", "not told: no program can run after Landlock's hooks" + why,
                       "use a kernel with CONFIG_DEBUG_INFO_BTF and BPF trampolines (fexit)");
    report.add("note", "denials not told",
               "cpu.max, cpu.weight and io.weight slow a mode and wake nobody; AppArmor's records "
               "of other than files name no mode",
               "see cpu.stat and cpu.pressure of the mode's cgroup, and the kernel log");
}

void examine_cgroups(const HostFacts& f, Report& report) {
    report.require(f.cgroup_v2, "cgroup", "version 2", "error",
                   "no cgroup v2 tree for modes: no mode can start",
                   "boot with systemd.unified_cgroup_hierarchy=1");
    struct Row {
        const char *name, *key;
    };
    constexpr std::array kRows{Row{"memory", "resources/memory"}, Row{"pids", "resources/pids"},
                               Row{"cpu", "resources/cpu"}, Row{"io", "resources/io"}};
    for (const auto& [name, key] : kRows)
        report.require(
            has(f.cgroup_controllers, name), fmt::format("cgroup {}", name).c_str(), "available",
            "warning",
            fmt::format("no '{}' controller: a mode with '{}' does not start", name, key),
            fmt::format("enable it in the kernel, or write \"optional\": true in '{}'", key));
}

void examine_storage(const HostFacts& f, Report& report) {
    report.require(has(f.filesystems, "erofs"), "erofs", "available", "error",
                   "the kernel cannot mount erofs: no mode image can be used",
                   "use a kernel with CONFIG_EROFS_FS");
    report.require(has(f.filesystems, "ext4"), "ext4", "available", "error",
                   "the kernel cannot mount ext4: no volume can be used",
                   "use a kernel with CONFIG_EXT4_FS");
    report.require(has(f.device_mapper_targets, "crypt"), "dm-crypt", "available", "error",
                   "the kernel has no dm-crypt: no volume can be opened",
                   "use a kernel with CONFIG_DM_CRYPT");
    report.require(has(f.device_mapper_targets, "verity"), "dm-verity", "available", "note",
                   "the kernel has no dm-verity: 'root/verity' cannot be used",
                   "use a kernel with CONFIG_DM_VERITY");
    report.require(has(f.device_mapper_targets, "integrity"), "dm-integrity", "available", "note",
                   "the kernel has no dm-integrity: 'luks/integrity' cannot be used",
                   "use a kernel with CONFIG_DM_INTEGRITY");
    report.add("ok", "memory",
               fmt::format("{} MiB; a key derivation takes a quarter of what is free at most",
                           f.memory_bytes >> 20));
}

// What a key of this volume would be derived at if it were made now: a guess costs no more.
void examine_kdf(const HostFacts& f, const policy::Volume& v, const std::string& subject,
                 Report& report) {
    const auto share = policy::fit_kdf(v.pbkdf, v.pbkdf_memory_max, f.memory_available, f.cpus);
    if (share.memory == 0)
        return report.add("ok", subject,
                          fmt::format("a secret set now is derived by {} for {} ms: who guesses at "
                                      "a copy of the header needs that time, and no memory",
                                      v.pbkdf, v.pbkdf_time_ms));
    const bool bounded = share.memory < v.pbkdf_memory_max;
    report.add("ok", subject,
               fmt::format("a secret set now is derived by {} with up to {} MiB{}, {} lane{}, for "
                           "{} ms on this phone: each guess at a copy of the header takes as much",
                           v.pbkdf, share.memory >> 20,
                           bounded ? fmt::format(" (a quarter of what is free; the profile allows "
                                                 "{})",
                                                 v.pbkdf_memory_max >> 20)
                                   : "",
                           share.lanes, share.lanes == 1 ? "" : "s", v.pbkdf_time_ms));
}

void examine_volume(const HostFacts& f, const std::string& mode, const policy::Volume& v,
                    Report& report) {
    const std::string subject = fmt::format("volume {}/{}", mode, v.name);
    if (f.no_aes && v.cipher.starts_with("aes-"))
        report.add("note", subject,
                   "the CPU lists no instructions for AES: this cipher will be slow (so say the "
                   "CPU's flags; nothing was measured)",
                   "make it with \"cipher\": \"xchacha12,aes-adiantum-plain64\", \"keySize\": 256");
    if (!policy::asks_nobody(v.key_source)) examine_kdf(f, v, subject, report);
}

// What of a locked mode stays in memory, or leaves it elsewhere.
void examine_traces(const HostFacts& f, Report& report) {
    report.require(f.wipes_freed, "freed memory", "is wiped (init_on_free)", "warning",
                   "is not wiped, as far as the kernel's command line says: what a mode held may "
                   "stay in memory after it was locked",
                   "boot with init_on_free=1");
    report.require(!f.core_pattern.starts_with('|'), "core dumps", "are files; a mode makes none",
                   "note",
                   fmt::format("are piped to a program of the host ({}): it gets no mode at "
                               "RLIMIT_CORE 1, the default, and every one whose profile says "
                               "another 'process/rlimits/core', be it 0",
                               f.core_pattern),
                   "leave that key out of the profiles, or: sysctl kernel.core_pattern=core");
    report.require(!f.sleep_syncs, "sleep", "not held up by a suspended mode", "note",
                   "the kernel writes out all file systems before it sleeps, and cannot be told "
                   "not to while a mode is suspended",
                   "use a kernel with /sys/power/sync_on_suspend (5.6), or onLock \"evict\"");
}

// The nodes of a class; by right, where it has several.
std::string nodes_of(const HostFacts& f, const policy::DeviceClass& device_class) {
    std::string text;
    for (const auto right : device_class.rights) {
        std::vector<std::string> paths;
        for (const auto& device : f.devices)
            if (device.device_class == device_class.name && device.right == right)
                paths.push_back("/dev/" + device.path);
        if (paths.empty()) continue;
        if (!text.empty()) text += "; ";
        if (device_class.rights.size() > 1) text += fmt::format("{} ", right);
        text += fmt::format("{}", fmt::join(paths, ", "));
    }
    return text;
}

std::string_view missing_words(std::string_view device_class) {
    // Calls and messages come by the broker, and so does sound.
    if (device_class == "modem") return "no port of it is named: no mode has it raw";
    if (device_class == "audio")
        return "none on this phone: modes play to nobody, and hear silence";
    return "none on this phone: every mode is denied it";
}

std::string hint_for(std::string_view device_class) {
    if (device_class == "audio") return "load the sound card's driver: there is no ALSA device";
    if (device_class == "gpu") return "load the GPU's driver: /sys/class/drm has no render node";
    if (device_class == "modem")
        return "where a profile has \"modem\": \"port\", name it in /etc/pmos/handset.json";
    return "describe it in /etc/pmos/handset.json: see 'pmosctl handset detect'";
}

void examine_class(const HostFacts& f, const policy::DeviceClass& device_class, Report& report) {
    const auto subject = fmt::format("device {}", device_class.name);
    const auto nodes = nodes_of(f, device_class);
    if (!policy::is_arbitrated(device_class.name))
        report.add("note", subject,
                   fmt::format("no arbitration in this build: every mode is denied it ({})",
                               nodes.empty() ? "and none on this phone" : nodes));
    else
        report.require(!nodes.empty(), subject.c_str(), nodes, "note",
                       std::string(missing_words(device_class.name)), hint_for(device_class.name));
}

void examine_devices(const HostFacts& f, Report& report) {
    for (const auto& device_class : policy::device_classes())
        examine_class(f, device_class, report);
    // Never a node of a mode's own: the compositor's.
    for (const char* device_class : {"display", "input"})
        if (!policy::is_arbitrated(device_class))
            report.add("note", fmt::format("device {}", device_class),
                       "no arbitration in this build: every mode is denied it");
}

void add_diagnostics(const std::string& subject, const std::vector<policy::Diagnostic>& diagnostics,
                     Report& report) {
    for (const auto& d : diagnostics)
        report.add(std::string(policy::severity_name(d.severity)), subject,
                   fmt::format("{}:{}:{}: {} [{}]", d.at.file, d.at.line, d.at.column, d.message,
                               policy::rule_id(d.rule)),
                   d.fix);
}

void examine_mode(const HostFacts& facts, const policy::ModePolicy& mode, Report& report) {
    const std::string subject = "mode " + mode.mode;
    add_diagnostics(subject, mode.diagnostics, report);
    if (!mode.profile) return;
    const auto compiled = policy::compile(*mode.profile, facts, {.ask = true});
    add_diagnostics(subject, compiled.diagnostics, report);
    if (!compiled.plan) return;
    report.add("ok", subject, "this phone can enforce its whole profile");
    for (const auto& volume : compiled.plan->volumes)
        examine_volume(facts, mode.mode, volume, report);
}

}  // namespace

std::vector<Finding> examine(const HostFacts& facts, const policy::PolicySet& policies) {
    Report report;
    examine_confinement(facts, report);
    examine_denials(facts, report);
    examine_cgroups(facts, report);
    examine_storage(facts, report);
    examine_traces(facts, report);
    examine_devices(facts, report);
    for (const auto& problem : facts.problems) report.add("error", "host", problem);
    add_diagnostics("site policy", policies.diagnostics, report);
    for (const auto& mode : policies.modes) examine_mode(facts, mode, report);
    return report.take();
}

}  // namespace pmos::host
