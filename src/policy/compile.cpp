// policy: a checked profile and the phone's facts to a LaunchPlan. Reads no host.
#include <fmt/format.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <sched.h>

#include <algorithm>
#include <array>

#include "policy/compile_parts.h"
#include "policy/device_filter.h"
#include "policy/language.h"
#include "policy/luks.h"
#include "policy/names.h"
#include "policy/policy_set.h"
#include "policy/profile.h"

namespace pmos::policy {
namespace {

// Of a class with rights to different nodes, the right names them; of others it says when.
bool opens(const std::string& right, const HostDevice& device) {
    return right == device.right || right == "foreground" || right == "background";
}

constexpr std::size_t kMaxFilter = 4096;  // BPF_MAXINSNS

class Compiler {
  public:
    Compiler(const Profile& profile, const HostFacts& facts, const CompileOptions& options)
        : p_(profile), facts_(facts), options_(options) {}
    Compiled run();
    LaunchPlan intended() {
        build();
        return std::move(plan_);
    }

  private:
    void build();
    void identity();
    void root();
    void volumes();
    void lock();
    void unlock_recent();
    void namespaces();
    void devices();
    void taken_away(const std::string& device_class);
    void seccomp();
    void confinement();
    void denials();
    void limits();
    CgroupLimit bound(const LimitSpec& limit);
    void hooks();
    void say(Severity severity, Rule rule, std::string_view path, std::string message,
             std::string fix = "") {
        out_.diagnostics.push_back(
            {severity, rule, p_.where(path), std::move(message), std::move(fix), {}});
    }
    void refuse(std::string_view path, std::string message, std::string fix = "") {
        say(Severity::error, Rule::unsupported, path, std::move(message), std::move(fix));
    }

    const Profile& p_;
    const HostFacts& facts_;
    const CompileOptions& options_;
    Compiled out_;
    LaunchPlan plan_;
};

void Compiler::identity() {
    plan_.mode = p_.mode;
    plan_.hostname = p_.hostname;
    plan_.process = p_.process;
    plan_.uid_map = {{0, p_.id_start, p_.id_count}};
    plan_.gid_map = plan_.uid_map;
    plan_.modem = p_.modem.rights;
    plan_.audio = p_.audio;
    plan_.display = p_.display;
    plan_.network = p_.network;
    plan_.session = p_.session;
}

void Compiler::root() {
    const auto file = [&](const std::string& name) {
        return name.empty() ? "" : facts_.images_dir + "/" + name;
    };
    const auto image = [&](const ImageSpec& spec) {
        return RootImage{file(spec.name), "erofs", spec.root_hash, file(spec.hash_image)};
    };
    plan_.root = image(p_.image);
    if (!p_.fallback.name.empty()) {
        plan_.fallback = image(p_.fallback);
        plan_.ready_after_ms = p_.ready_after_ms;
    }
    if (!(p_.image.root_hash + p_.fallback.root_hash).empty() &&
        !has_word(facts_.device_mapper_targets, "verity"))
        refuse("root/verity", "this kernel has no dm-verity",
               "enable CONFIG_DM_VERITY or load the module dm_verity");
    if (!has_word(facts_.filesystems, "erofs"))
        refuse("root/image", "this kernel cannot mount erofs",
               "enable CONFIG_EROFS_FS or load the module erofs");
}

void Compiler::volumes() {
    if (!p_.volumes.empty() && !has_word(facts_.device_mapper_targets, "crypt"))
        refuse("volumes", "this kernel has no dm-crypt",
               "enable CONFIG_DM_CRYPT or load the module dm_crypt");
    if (!p_.volumes.empty() && !has_word(facts_.filesystems, "ext4"))
        refuse("volumes", "this kernel cannot mount ext4");
    for (std::size_t i = 0; i < p_.volumes.size(); ++i) {
        const VolumeSpec& spec = p_.volumes[i];
        const std::string own = p_.mode + "-" + spec.name;
        Volume v;
        v.name = spec.name;
        v.dm_name = "pmos-" + own;
        v.target = spec.target;
        v.block_device = !spec.device.empty();
        v.source = v.block_device       ? spec.device
                   : !spec.file.empty() ? spec.file
                                        : fmt::format("{}/{}.luks", facts_.volumes_dir, own);
        v.size = spec.size;
        v.cipher = spec.cipher;
        v.pbkdf = spec.pbkdf;
        v.key_bits = spec.key_bits;
        v.sector_size = spec.sector_size;
        v.pbkdf_memory_max = spec.pbkdf_memory_max;
        v.pbkdf_time_ms = spec.pbkdf_time_ms;
        v.integrity = spec.integrity;
        v.discards = spec.discards;
        v.header = spec.header;
        if (v.integrity != "none" && !has_word(facts_.device_mapper_targets, "integrity"))
            refuse(fmt::format("volumes/{}/luks/integrity", i), "this kernel has no dm-integrity",
                   "enable CONFIG_DM_INTEGRITY or load the module dm_integrity");
        if (has_word(facts_.missing_ciphers, v.cipher)) {
            const auto& cipher = *find_cipher(v.cipher);
            refuse(fmt::format("volumes/{}/luks/cipher", i),
                   fmt::format("this kernel has no {}, the cipher of volume '{}'", cipher.kernel,
                               v.name),
                   cipher_hint(cipher));
        }
        v.unlock = spec.unlock;
        v.escrow = spec.escrow;
        if (has_word(spec.unlock, "tpm2")) v.pcrs = spec.pcrs;
        v.tpm_throttle = spec.tpm_throttle;
        v.key_source = has_word(spec.unlock, "device-key") ? KeySource::device_key
                       : has_word(spec.unlock, "tpm2")     ? KeySource::tpm
                       : has_word(spec.unlock, "pin")      ? KeySource::pin
                                                           : KeySource::passphrase;
        if (v.key_source == KeySource::device_key)
            v.key_file = fmt::format("{}/{}.key", facts_.keys_dir, own);
        plan_.volumes.push_back(std::move(v));
    }
}

// A volume cannot be closed below processes that stay, nor stay open without them.
void Compiler::lock() {
    const auto wanted = p_.session.on_lock;
    if (wanted != OnLock::evict && p_.volumes.empty())
        say(Severity::error, Rule::contradiction, "session/onLock",
            fmt::format("there is no volume to {}", wanted == OnLock::suspend ? "suspend" : "lock"),
            "write \"evict\"");
    for (std::size_t i = 0; i < p_.volumes.size(); ++i)
        if (const auto own = p_.volumes[i].on_lock; own != wanted)
            say(Severity::error, Rule::contradiction, fmt::format("volumes/{}/onLock", i),
                fmt::format("volume '{}' is for a lock by '{}', and the mode's is '{}'",
                            p_.volumes[i].name, word_at(kOnLockNames, own),
                            word_at(kOnLockNames, wanted)),
                "write the same here and in session/onLock");
}

void Compiler::unlock_recent() {
    if (p_.session.fingerprint_within_ms == 0) return;
    constexpr const char* kKey = "session/unlockRecent";
    if (p_.session.on_lock != OnLock::freeze)
        say(Severity::error, Rule::contradiction, kKey,
            "a lock that takes the keys away leaves nothing that a fingerprint could release",
            "write \"onLock\": \"freeze\", or leave 'unlockRecent' out");
    if (std::ranges::all_of(plan_.volumes, asks_nobody, &Volume::key_source))
        say(Severity::error, Rule::contradiction, kKey,
            "the mode has no volume that a person's secret opens",
            "unlock a volume by \"pin\", or leave 'unlockRecent' out");
}

void Compiler::namespaces() {
    plan_.namespaces = p_.namespaces;
    plan_.monotonic_offset = p_.monotonic_offset;
    plan_.boottime_offset = p_.boottime_offset;
    if ((p_.namespaces & CLONE_NEWTIME) == 0 || facts_.time_namespace) return;
    plan_.namespaces &= ~std::uint64_t{CLONE_NEWTIME};
    const std::string_view key =
        p_.source.find("timeOffsets") != nullptr ? "timeOffsets" : "namespaces";
    if (p_.time_named)
        refuse(key, "this kernel has no time namespaces", "enable CONFIG_TIME_NS");
    else
        say(Severity::warning, Rule::no_time_namespace, "namespaces",
            "this kernel has no time namespaces: the mode sees the host's boot clock",
            "enable CONFIG_TIME_NS");
}

// What the panel alone opens, and hands on by the mode's Wayland display.
bool is_panels(std::string_view device_class) {
    return device_class == "display" || device_class == "input";
}

void Compiler::devices() {
    plan_.device_nodes = base_device_nodes();
    for (const auto& [device_class, right] : p_.devices) {
        if (right == "none") continue;
        if (right == "broker" || is_panels(device_class)) continue;  // no device of it
        const bool front = foreground_only(device_class, right);
        bool found = false;
        for (const auto& device : facts_.devices) {
            if (device.device_class != device_class || !opens(right, device)) continue;
            found = true;
            DeviceNode& node = add_device_node(plan_.device_nodes, device);
            node.foreground = front;
        }
        if (!found)
            say(Severity::warning, Rule::no_such_device, "devices/" + device_class,
                fmt::format("this phone has no {} for the right '{}': it stays denied",
                            device_class, right),
                "see pmosctl doctor");
        else if (front)
            taken_away(device_class);
    }
    if (p_.display.leases && facts_.display_outputs < 2)
        say(Severity::warning, Rule::no_such_device, "devices/display",
            "this phone has no output beside the panel's own: nothing is lent, and the mode is "
            "composed like any other",
            "write \"display\": \"foreground\", or connect one");
    plan_.device_filter = device_filter(plan_.device_nodes);
}

// Who is frozen uses nothing. Who runs on does, by what it has open, unless the kernel refuses it.
void Compiler::taken_away(const std::string& device_class) {
    if (p_.session.background == Background::freeze || facts_.device_revocation) return;
    refuse("devices/" + device_class,
           "the mode runs on in the background, and this kernel cannot take away what it has open",
           "write \"background\": \"freeze\" in session, or boot with lsm=...,bpf");
}

void Compiler::seccomp() {
    const Arch* arch = find_arch(facts_.arch);
    if (arch == nullptr)
        return refuse("seccomp", fmt::format("no system call table for '{}'", facts_.arch));
    std::vector<std::string> entries = p_.seccomp_allow;
    entries.emplace_back(required_syscalls());
    const bool tells = p_.tell_arguments && options_.ask;
    const auto ask = options_.record ? Ask::refusals : tells ? Ask::arguments : Ask::nothing;
    SeccompPolicy policy{expand_syscalls(entries), p_.seccomp_rules};
    const auto program = compile_seccomp(policy, *arch, ask);
    if (program.size() > kMaxFilter)
        return say(Severity::error, Rule::too_large, "seccomp/rules",
                   fmt::format("the filter has {} instructions, the kernel takes {}",
                               program.size(), kMaxFilter),
                   "write fewer rules");
    plan_.seccomp = to_bytes(program);
    if (p_.seccomp_log) plan_.seccomp_flags = SECCOMP_FILTER_FLAG_LOG;
    if (tells && !options_.record) {
        // Who listens refuses what the filter would have refused, and nothing else.
        plan_.seccomp_answer = to_bytes(compile_seccomp(policy, *arch));
        plan_.seccomp_flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
    }
    if (!options_.record) return;
    policy.allow.merge(recordable_syscalls(*arch, options_.never));
    plan_.seccomp_answer = to_bytes(compile_seccomp(policy, *arch));
    // Who listens tells: an audit record for each question would be a flood that says less.
    plan_.seccomp_flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
}

void Compiler::confinement() {
    if (facts_.apparmor)
        plan_.apparmor = p_.apparmor;
    else if (p_.apparmor_required)
        refuse("lsm/required", "AppArmor is not enabled", "boot with lsm=...,apparmor");
    if (facts_.landlock_abi == 0) {
        if (p_.landlock_required)
            refuse("landlock/required", "this kernel has no Landlock",
                   "boot with lsm=landlock,...");
        return;
    }
    plan_.landlock_handled = landlock_handled(facts_.landlock_abi);
    plan_.landlock = landlock_rules(plan_, p_.landlock_execute);
}

void Compiler::denials() {
    const auto tell = [&](bool wanted, bool can, std::uint32_t bit, const char* path) {
        if (!wanted) return;
        if (can)
            plan_.tell |= bit;
        else
            say(Severity::warning, Rule::denials_not_told, path,
                "this kernel does not let them be seen: they stay untold",
                "use a kernel with CONFIG_DEBUG_INFO_BTF and BPF tracing, see pmosctl doctor");
    };
    tell(p_.tell_capabilities, facts_.capability_denials, image::tell_capabilities,
         "denials/capabilities");
    tell(p_.tell_landlock, facts_.landlock_denials, image::tell_landlock, "denials/landlock");
}

void Compiler::limits() {
    if (!facts_.cgroup_v2)
        return refuse("resources", "cgroup v2 is not mounted: nothing bounds the mode's devices",
                      "boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1)");
    for (const auto& limit : p_.limits) plan_.cgroup.push_back(bound(limit));
    for (const auto& limit : p_.background_limits) {
        auto& behind = plan_.background_cgroup.emplace_back(bound(limit));
        if (std::ranges::find(plan_.cgroup, behind.file, &CgroupLimit::file) != plan_.cgroup.end())
            continue;
        // What the kernel starts with, so that there is something to come back to.
        plan_.cgroup.push_back({limit.file, limit.controller == "memory" ? "max" : "100",
                                limit.controller, true, behind.pointer});
    }
    const bool swap = std::ranges::any_of(
        p_.limits, [](const LimitSpec& l) { return l.file == "memory.swap.max"; });
    if (!swap && has_word(facts_.cgroup_controllers, "memory"))
        plan_.cgroup.push_back({"memory.swap.max", "0", "memory", true, ""});
}

CgroupLimit Compiler::bound(const LimitSpec& limit) {
    if (!has_word(facts_.cgroup_controllers, limit.controller)) {
        const auto message = fmt::format("{} needs the cgroup controller '{}', which is not there",
                                         limit.file, limit.controller);
        out_.diagnostics.push_back({limit.optional ? Severity::warning : Severity::error,
                                    limit.optional ? Rule::limit_skipped : Rule::unsupported,
                                    limit.at,
                                    message,
                                    limit.optional ? ""
                                    : limit.at.pointer.starts_with("/resources/")
                                        ? "enable it, or write {\"value\": ..., \"optional\": true}"
                                        : "enable it, or leave the limit out",
                                    {}});
    }
    return {limit.file, limit.value, limit.controller, limit.optional, limit.at.pointer};
}

void Compiler::hooks() {
    for (const auto& hook : p_.hooks) {
        const bool absolute = hook.path.starts_with('/');
        plan_.hooks.push_back({hook.point,
                               absolute ? hook.path : facts_.hooks_dir + "/" + hook.path, hook.args,
                               hook.timeout_ms});
    }
}

void Compiler::build() {
    identity();
    root();
    volumes();
    lock();
    unlock_recent();
    namespaces();
    devices();
    plan_.mounts = mount_operations(p_, plan_, facts_);
    seccomp();
    confinement();
    denials();
    limits();
    hooks();
}

Compiled Compiler::run() {
    check_enforced(profile_language(), p_.source, Severity::error, out_.diagnostics);
    build();
    if (encode(plan_).size() > image::kMaxSize)
        say(Severity::error, Rule::too_large, "process", "the plan is too large for the launcher",
            "shorten the arguments, the environment or the lists");
    if (!has_errors(out_.diagnostics)) out_.plan = std::move(plan_);
    return std::move(out_);
}

}  // namespace

Compiled compile(const Profile& profile, const HostFacts& facts, const CompileOptions& options) {
    return Compiler(profile, facts, options).run();
}

LaunchPlan intended_plan(const Profile& profile, const HostFacts& facts) {
    return Compiler(profile, facts, {}).intended();
}

}  // namespace pmos::policy
