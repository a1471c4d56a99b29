// policy: an OCI configuration to the LaunchPlan that launches it. Reads no host: what is known of
// it comes in HostSide.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policy/launch_plan.h"
#include "policy/oci_config.h"

namespace pmos::policy::oci {

struct HostSide {
    std::string bundle;         // absolute
    std::string cgroup_mount;   // of cgroup v2; "": none
    bool unprivileged = false;  // no mount and no device node of the host may be made here
    bool apparmor = false;      // is enabled
    std::uint32_t last_capability = 40;
    std::int32_t oom_score_adj = 0;     // ours, and the container's where none is said
    std::vector<std::uint8_t> seccomp;  // struct sock_filter[], ready; empty: no filter
    std::uint32_t seccomp_flags = 0;
};

// Of `create` and `run`. Empty where `diagnostics` got an error: what the configuration asks for
// and this build does not do, by name.
std::optional<LaunchPlan> compile(const Config& config, const std::string& id, const HostSide& host,
                                  std::vector<Diagnostic>& diagnostics);
// Of `exec`: one more process, in namespaces that are there.
LaunchPlan compile_exec(const Config& config, const Process& process, const std::string& id,
                        const HostSide& host);

// Words of a mount's options that are no data of its file system.
struct MountOptions {
    std::uint64_t attributes = 0, cleared = 0, deep_attributes = 0, deep_cleared = 0;
    std::uint32_t propagation = 0;
    bool bind = false, recursive = false, copy_up = false;
    bool maps = false, maps_deep = false;
    std::vector<std::pair<std::string, std::string>> data;
    std::string refused;  // the first that this build does not do; "": none
};
MountOptions read_options(const std::vector<std::string>& options);
// All words that read_options knows, for `features`.
std::vector<std::string_view> known_options();

}  // namespace pmos::policy::oci
