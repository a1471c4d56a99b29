// policy: an OCI bundle's config.json (and the process of `exec`) as values. Reads no file, knows
// no host: what a path names, and whether this kernel can, is for others to say.
//
// Source: https://github.com/opencontainers/runtime-spec, 1.2; names are the specification's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/json_reader.h"
#include "policy/launch_plan.h"

namespace pmos::policy::oci {

// What this build says it is, and the oldest and newest that it takes: by major and minor, whatever
// the rest. All that 1.3 has beyond 1.2 is known, and refused by name.
inline constexpr std::string_view kVersion = "1.2.0";
inline constexpr std::string_view kOldestVersion = "1.0.0", kNewestVersion = "1.3.0";

struct User {
    std::uint32_t uid = 0, gid = 0;
    std::optional<std::uint32_t> umask;  // else 0022
    std::vector<std::uint32_t> additional_gids;
};

struct ConsoleSize {
    std::uint16_t height = 0, width = 0;  // 0: not said
};

struct Scheduler {
    std::uint32_t policy = 0;  // SCHED_*
    std::int32_t nice = 0, priority = 0;
    std::uint64_t flags = 0;                              // SCHED_FLAG_*
    std::uint64_t runtime = 0, deadline = 0, period = 0;  // ns
};

struct Process {
    bool terminal = false;
    ConsoleSize console_size;
    User user;
    std::string cwd;
    std::vector<std::string> env, args;
    CapabilitySets capabilities;  // empty where none are said
    std::vector<Rlimit> rlimits;
    bool no_new_privileges = false;
    std::string apparmor_profile;
    std::optional<std::int32_t> oom_score_adj;
    std::optional<Scheduler> scheduler;
    std::optional<std::uint32_t> io_priority;      // as ioprio_set(2) takes it
    std::string initial_affinity, final_affinity;  // of exec, lists of processors: "0-3,7"
    Location at;
};

struct Mount {
    std::string destination, type, source;  // destination: absolute, without "." and ".."
    std::vector<std::string> options;
    std::vector<IdMap> uid_mappings, gid_mappings;
    Location at;
};

enum class HookPoint : std::uint8_t {
    prestart,  // deprecated: as create_runtime, before it
    create_runtime,
    create_container,
    start_container,
    poststart,
    poststop,
};
inline constexpr std::string_view kHookPointNames =
    "prestart|createRuntime|createContainer|startContainer|poststart|poststop";

struct Hook {
    HookPoint point{};
    std::string path;
    std::vector<std::string> args, env;
    std::uint32_t timeout_s = 0;  // 0: none
};

struct Namespace {
    std::uint64_t type = 0;  // CLONE_NEW*
    std::string path;        // "": a new one
    Location at;
};

struct Device {
    image::NodeType type{};  // character, block or fifo
    std::string path;
    std::uint32_t major = 0, minor = 0;
    std::uint32_t file_mode = 0666, uid = 0, gid = 0;
    Location at;
};

// linux/resources/devices. The last that matches decides.
struct DeviceRule {
    bool allow = false;
    char type = 'a';                            // a, b, c
    std::optional<std::uint32_t> major, minor;  // else any
    bool read = false, write = false, make = false;
};

enum class SeccompAction : std::uint8_t {
    kill_process,
    kill_thread,
    trap,
    error,
    trace,
    notify,
    log,
    allow,
};
struct SeccompArg {
    std::uint32_t index = 0;
    std::uint64_t value = 0, value_two = 0;
    std::string_view op;  // "EQ", without SCMP_CMP_
};
struct SeccompRule {
    std::vector<std::string> names;
    SeccompAction action{};
    std::optional<std::uint32_t> errno_ret;
    std::vector<SeccompArg> args;  // all must hold
    Location at;
};
struct Seccomp {
    SeccompAction default_action{};
    std::optional<std::uint32_t> default_errno_ret;  // else EPERM
    std::vector<std::string> architectures;          // SCMP_ARCH_*
    std::uint32_t flags = 0;                         // SECCOMP_FILTER_FLAG_*, as they were given
    std::string listener_path;                       // never "" where a rule notifies
    std::string listener_metadata;
    std::vector<SeccompRule> rules;
    bool notifies() const;
};

// linux/resources as files of cgroup v2, in the order in which they are to be written: a file that
// comes twice takes each line by itself.
struct Resources {
    std::vector<CgroupLimit> limits;
    std::vector<DeviceRule> devices;
};
// What to write where the kernel lacks the file: io.weight without BFQ. Empty where nothing says
// the same.
std::optional<CgroupLimit> instead_of(const CgroupLimit& limit);

struct TimeOffset {
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
};

enum class Propagation : std::uint8_t { unsaid, shared, slave, private_, unbindable };

struct Config {
    std::string version;
    std::string root_path;
    bool root_read_only = false;
    std::optional<Process> process;  // `create` needs it
    std::string hostname, domainname;
    std::vector<Mount> mounts;
    std::vector<Hook> hooks;  // in the order of their points, then of the file
    std::vector<std::pair<std::string, std::string>> annotations;

    // linux
    std::vector<Namespace> namespaces;
    std::vector<IdMap> uid_map, gid_map;
    std::vector<Device> devices;
    std::string cgroups_path;
    Resources resources;
    Propagation root_propagation = Propagation::unsaid;
    bool root_propagation_recursive = false;
    std::optional<Seccomp> seccomp;
    // "net.ipv4.ip_forward", "1"; a '/' in a name stands for the '.' of an interface's.
    std::vector<std::pair<std::string, std::string>> sysctl;
    std::vector<std::string> masked_paths, read_only_paths;
    std::optional<std::uint32_t> personality;  // of personality(2)
    TimeOffset monotonic_offset, boottime_offset;

    Node source;  // as it was read

    bool has(std::uint64_t namespace_type) const;  // new or joined
    std::string annotation(std::string_view name) const;
};

// Bytes of config.json. Every fault at its place; what the specification knows and pmos does not do
// is refused by name. Empty where `diagnostics` got an error.
std::optional<Config> read_config(std::string_view file, std::string_view bytes,
                                  std::vector<Diagnostic>& diagnostics);
// The same of a file of which there is nothing to tell, and without places (read_json_unplaced());
// empty of any other.
std::optional<Config> read_sound_config(std::string_view bytes);

// The same, of `exec --process`.
std::optional<Process> read_process(std::string_view file, std::string_view bytes,
                                    std::vector<Diagnostic>& diagnostics);
// The same, of `update --resources`.
std::optional<Resources> read_resources(std::string_view file, std::string_view bytes,
                                        std::vector<Diagnostic>& diagnostics);
// What `spec` writes: hardened, and without a limit, so that it runs on a kernel that has no
// controllers. rootless: for an ordinary user of these ids.
struct RootlessIds {
    std::uint32_t uid = 0, gid = 0;
};
std::string example_config(std::optional<RootlessIds> rootless);

}  // namespace pmos::policy::oci
