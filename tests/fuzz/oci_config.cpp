// fuzz: any bytes as each JSON file that an OCI runtime takes. Whatever they are: no crash, every
// fault has a place, and what is accepted keeps to the container and to plain files of its cgroup.
#include "policy/oci_config.h"

#include <linux/sched.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

using namespace pmos::policy;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

void check_faults(std::string_view bytes, const std::vector<Diagnostic>& faults, bool accepted) {
    require(accepted != has_errors(faults));
    require(faults.size() <= kMaxFindings);
    for (const auto& d : faults) {
        require(!rule_id(d.rule).empty() && !d.message.empty() && !d.at.file.empty());
        require(!to_text(d).empty());
        source_excerpt(bytes, d.at);
    }
}

bool is_inside(std::string_view path) {
    const auto guarded = std::string(path) + "/";
    return path.starts_with('/') && !guarded.contains("/../") && !guarded.contains("/./") &&
           path.find("//") == std::string_view::npos;
}

void check_resources(const oci::Resources& resources) {
    for (const auto& limit : resources.limits) {
        require(!limit.file.contains('/') && limit.file.starts_with(limit.controller + "."));
        require(!limit.controller.empty() && limit.controller != "cgroup");
        require(!limit.value.empty() && !limit.value.contains('\n'));
        if (const auto instead = oci::instead_of(limit)) require(instead->file != limit.file);
    }
    for (const auto& rule : resources.devices) require(rule.read || rule.write || rule.make);
}

void check_process(const oci::Process& process) {
    require(!process.args.empty() && !process.args.front().empty());
    require(is_inside(process.cwd));
    require((process.capabilities.effective & ~process.capabilities.permitted) == 0);
    for (const auto& limit : process.rlimits) require(limit.soft <= limit.hard);
    for (const auto& variable : process.env) require(variable.contains('='));
}

void check_config(const oci::Config& config) {
    require(!config.version.empty() && !config.root_path.empty());
    if (config.process) check_process(*config.process);
    check_resources(config.resources);
    for (const auto& mount : config.mounts) require(is_inside(mount.destination));
    for (const auto& hook : config.hooks) require(hook.path.starts_with('/'));
    for (const auto& device : config.devices) require(is_inside(device.path));
    for (const auto& path : config.masked_paths) require(is_inside(path));
    for (const auto& [name, value] : config.sysctl) {
        const auto owner = name.starts_with("net.") ? CLONE_NEWNET : 0;
        require(owner == 0 || config.has(static_cast<std::uint64_t>(owner)));
        require(!name.contains("..") && !name.contains("//"));
    }
    require(config.uid_map.empty() || config.has(CLONE_NEWUSER));
    for (const auto& map : config.uid_map)
        require(map.count > 0 && map.inside + map.count > map.inside);
    require(config.hostname.empty() || config.has(CLONE_NEWUTS));
    require(!config.seccomp || !config.seccomp->notifies() ||
            config.seccomp->listener_path.starts_with('/'));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    std::vector<Diagnostic> faults;
    const auto config = oci::read_config("fuzz.json", bytes, faults);
    check_faults(bytes, faults, config.has_value());
    if (config) check_config(*config);
    faults.clear();
    const auto process = oci::read_process("fuzz.json", bytes, faults);
    check_faults(bytes, faults, process.has_value());
    if (process) check_process(*process);
    faults.clear();
    const auto resources = oci::read_resources("fuzz.json", bytes, faults);
    check_faults(bytes, faults, resources.has_value());
    if (resources) check_resources(*resources);
    return 0;
}
