// host: what this phone and its kernel have. Looks only; decides nothing, enforces nothing.
#include "runtime/host/facts.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/dm-ioctl.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

#include "policy/luks.h"
#include "policy/names.h"
#include "policy/profile.h"
#include "runtime/host/devices.h"
#include "runtime/host/small_file.h"
#include "runtime/sys/cipher.h"
#include "runtime/sys/memory.h"

namespace pmos::host {
namespace {

constexpr const char* kProfile = "pmos-mode";

std::uint32_t landlock_abi() {
    const long abi =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? 0 : static_cast<std::uint32_t>(abi);
}

// Enabled without our profile loaded counts as enabled: the launch then fails by name instead of
// running unconfined.
bool apparmor_enforces(std::vector<std::string>& problems) {
    const auto enabled = read_small_file("/sys/module/apparmor/parameters/enabled");
    if (!enabled || !enabled->starts_with("Y")) return false;
    const auto loaded = read_small_file("/sys/kernel/security/apparmor/profiles");
    if (!loaded)
        problems.push_back(
            "AppArmor: its list of profiles cannot be read: mount securityfs at "
            "/sys/kernel/security");
    else if (loaded->find(fmt::format("{} (enforce)", kProfile)) == std::string::npos)
        problems.push_back(fmt::format(
            "AppArmor: profile '{0}' is not enforced: apparmor_parser -r /etc/apparmor.d/{0}",
            kProfile));
    return true;
}

// A file system may be a module: asking for it loads it.
std::vector<std::string> filesystems() {
    for (const char* name : {"erofs", "ext4"})
        UniqueFd(static_cast<int>(::syscall(SYS_fsopen, name, 1U /* FSOPEN_CLOEXEC */)));
    std::vector<std::string> found;
    const auto words = split_words(read_small_file("/proc/filesystems").value_or(""));
    std::ranges::copy_if(words, std::back_inserter(found),
                         [](const std::string& word) { return word != "nodev"; });
    return found;
}

// DM_GET_TARGET_VERSION loads the target's module; the kernel has no list of what it could load.
bool has_target(BorrowedFd control, const char* name) {
    alignas(dm_ioctl) std::array<char, sizeof(dm_ioctl) + 512> buffer{};
    auto* request = reinterpret_cast<dm_ioctl*>(buffer.data());
    request->version[0] = DM_VERSION_MAJOR;
    request->data_size = buffer.size();
    request->data_start = sizeof(dm_ioctl);
    std::strncpy(request->name, name, sizeof request->name - 1);
    return ::ioctl(control.get(), DM_GET_TARGET_VERSION, request) == 0;
}

std::vector<std::string> device_mapper_targets() {
    const UniqueFd control(::open("/dev/mapper/control", O_RDWR | O_CLOEXEC));
    std::vector<std::string> found;
    if (!control) return found;
    for (const char* name : {"crypt", "verity", "integrity"})
        if (has_target(control.borrow(), name)) found.emplace_back(name);
    return found;
}

void read_cgroup(const std::string& root, policy::HostFacts& facts) {
    struct statfs st {};
    facts.cgroup_v2 = ::statfs(root.c_str(), &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC;
    if (facts.cgroup_v2)
        facts.cgroup_controllers =
            split_words(read_small_file(root + "/cgroup.subtree_control").value_or(""));
}

// Each connector of a display controller has a directory, whose file says whether something is
// there.
std::uint32_t connected_outputs() {
    std::uint32_t count = 0;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/sys/class/drm", error))
        if (read_small_file((entry.path() / "status").string())
                .value_or("")
                .starts_with("connected"))
            ++count;
    return count;
}

void read_devices(const HostPaths& paths, policy::HostFacts& facts) {
    const auto file = read_handset_file(paths.handset_json);
    facts.panel_look = file.handset.panel_look;
    facts.display_outputs = connected_outputs();
    auto found = find_devices(file.handset);
    facts.devices = std::move(found.devices);
    for (const auto& d : file.diagnostics)
        facts.problems.push_back(fmt::format("handset: {}: {}", policy::to_text(d.at), d.message));
    for (const auto& problem : found.problems) facts.problems.push_back("handset: " + problem);
}

}  // namespace

std::string handset_model(const std::string& handset_json) {
    return read_handset_file(handset_json).handset.model;
}

void read_traces(policy::HostFacts& facts) {
    const auto words = split_words(read_small_file("/proc/cmdline").value_or(""));
    // The last one counts, as for the kernel; its default is of its own build.
    for (const auto& word : words)
        if (word.starts_with("init_on_free="))
            facts.wipes_freed =
                word == "init_on_free=1" || word == "init_on_free=on" || word == "init_on_free=y";
    facts.sleep_syncs = ::access("/sys/power/state", F_OK) == 0 &&
                        ::access("/sys/power/sync_on_suspend", F_OK) != 0;
    facts.core_pattern = read_small_file("/proc/sys/kernel/core_pattern").value_or("");
    if (facts.core_pattern.ends_with('\n')) facts.core_pattern.pop_back();
    facts.memory_available = sys::sys_available_memory();
    facts.cpus = static_cast<std::uint32_t>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L));
}

void read_ciphers(policy::HostFacts& facts, const policy::PolicySet& policies) {
    facts.missing_ciphers.clear();
    for (const auto& cipher : policy::ciphers()) {
        const auto names_it = [&](const auto& volume) { return volume.cipher == cipher.spec; };
        const bool wanted = std::ranges::any_of(policies.modes, [&](const auto& mode) {
            return mode.profile && std::ranges::any_of(mode.profile->volumes, names_it);
        });
        if (wanted && sys::sys_lacks_cipher(cipher.kernel))
            facts.missing_ciphers.emplace_back(cipher.spec);
    }
}

bool says_no_aes(const std::vector<std::string>& cpuinfo) {
    const bool lists = policy::has_word(cpuinfo, "flags") || policy::has_word(cpuinfo, "Features");
    return lists && !policy::has_word(cpuinfo, "aes");
}

Result<policy::HostFacts> read_host_facts(const HostPaths& paths) {
    policy::HostFacts facts;
    utsname name{};
    if (::uname(&name) == 0) facts.arch = name.machine;
    facts.landlock_abi = landlock_abi();
    facts.apparmor = apparmor_enforces(facts.problems);
    facts.time_namespace = ::access("/proc/self/ns/time", F_OK) == 0;
    facts.filesystems = filesystems();
    facts.device_mapper_targets = device_mapper_targets();
    struct sysinfo info {};
    if (::sysinfo(&info) != 0) return fail(errno_error(errno, "cannot ask the kernel for memory"));
    facts.memory_bytes = static_cast<std::uint64_t>(info.totalram) * info.mem_unit;
    facts.no_aes = says_no_aes(split_words(read_small_file("/proc/cpuinfo").value_or("")));
    read_cgroup(paths.cgroup_root, facts);
    read_traces(facts);
    read_devices(paths, facts);
    return facts;
}

}  // namespace pmos::host
