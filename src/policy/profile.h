// policy: the typed, merged, checked form of one mode's JSON. Knows no host.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "policy/json_reader.h"
#include "policy/launch_plan.h"
#include "policy/syscall_filter.h"

namespace pmos::policy {

struct ImageSpec {
    std::string name, root_hash, hash_image;  // of dm-verity, "" where it is not verified
};

struct VolumeSpec {
    std::string name, target;
    std::uint64_t size = 0;
    std::string file, device;  // "" both: a file in the volumes directory
    std::vector<std::string> options;
    std::string cipher, integrity, discards;
    std::string header;  // "": on the volume itself
    std::uint32_t key_bits = 0, sector_size = 0;
    std::string pbkdf;
    std::uint64_t pbkdf_memory_max = 0;
    std::uint32_t pbkdf_time_ms = 0;
    std::vector<std::string> unlock;
    std::uint32_t pcrs = 0;  // one bit for each
    bool tpm_throttle = false;
    std::string escrow;
    OnLock on_lock = OnLock::evict;
    Location at;
};

struct MountSpec {
    std::string type, source, target;
    std::vector<std::string> options;
    std::uint64_t size = 0;  // 0: the default
    Location at;
};

struct LimitSpec {
    std::string file, value, controller;
    bool optional = false;
    Location at;
};

struct ModemSpec {
    ModemRights rights;
    // What comes in that is this mode's: from these numbers, on these lines, and whatever nothing
    // else is said of.
    std::vector<std::string> numbers, lines;
    std::vector<std::string> access_points;  // whose connections are this mode's
    bool rest = false;
};

struct HookSpec {
    HookPoint point{};
    std::string path;  // absolute, or below the hooks directory
    std::vector<std::string> args;
    std::uint32_t timeout_ms = 0;
};

struct Profile {
    std::string mode, file, hostname;
    ImageSpec image, fallback;         // the latter's name is "" where there is none
    std::uint32_t ready_after_ms = 0;  // of the first, or the fallback is used
    std::vector<VolumeSpec> volumes;
    std::uint32_t id_start = 0, id_count = 0;
    Process process;  // everything in it is final
    std::uint64_t namespaces = 0;
    bool time_named = false;  // the time namespace is asked for by name or by an offset
    std::int64_t monotonic_offset = 0, boottime_offset = 0;
    std::vector<MountSpec> mounts;
    bool proc_pid_only = false;              // /proc holds processes and nothing else
    std::vector<std::string> seccomp_allow;  // as written: names and groups
    std::vector<SyscallRule> seccomp_rules;
    bool seccomp_log = false;
    bool tell_arguments = false;  // of refusals that they decide
    bool tell_capabilities = false, tell_landlock = false;
    std::map<std::string, std::string> devices;  // class to right, where it is a word
    ModemSpec modem;                             // of the broker
    AudioRights audio;                           // of its broker
    DisplayRights display;                       // of the panel
    NetworkPlan network;                         // as it stands in the plan
    std::vector<LimitSpec> limits;
    std::vector<LimitSpec> background_limits;  // of a mode that runs on throttled
    Session session;
    std::vector<HookSpec> hooks;
    std::string apparmor;
    bool apparmor_required = false, landlock_required = false;
    std::vector<std::string> landlock_execute;

    // The merged tree: every value with the place it came from (`policy show --origin`).
    Node source;
    // Where a key stands ("root/image"), or the nearest one above it that is there.
    Location where(std::string_view path) const;
};

// Whether what a right opens is taken away when the mode leaves the foreground. The GPU always is:
// what one mode draws or computes is nothing that goes on behind another's back.
bool foreground_only(std::string_view device_class, std::string_view right);

// From a merged tree that check_shape found faultless. Faults that need more than one value
// (a target twice, a user outside the id range) are added; the profile is whole all the same.
Profile read_profile(const Node& root, std::string file, std::vector<Diagnostic>& diagnostics);

}  // namespace pmos::policy
