// daemon: what there is to tell of this phone's devices, and who is granted them. Opens none.
#include <algorithm>

#include "policy/language.h"
#include "runtime/daemon/supervisor.h"

namespace pmos::daemon {
namespace {

const policy::DeviceNode* node_of(const Mode& mode, const policy::HostDevice& device) {
    const auto& plan = mode.running ? mode.running->plan : mode.plan;
    if (!plan) return nullptr;
    const auto type =
        device.block ? policy::image::NodeType::block : policy::image::NodeType::character;
    const auto found = std::ranges::find_if(plan->device_nodes, [&](const auto& node) {
        return node.type == type && node.major == device.major && node.minor == device.minor &&
               !node.device_class.empty();
    });
    return found != plan->device_nodes.end() ? &*found : nullptr;
}

const char* grant_of(const Mode& mode, const policy::HostDevice& device) {
    const auto* node = node_of(mode, device);
    if (node == nullptr) return "never";
    return node->foreground ? "foreground" : "always";
}

}  // namespace

std::vector<DeviceState> Supervisor::devices() const {
    std::vector<DeviceState> out;
    for (const auto& device : facts_.devices) {
        DeviceState state{device, {}};
        for (const auto& [name, mode] : modes_)
            state.grants.emplace_back(name, grant_of(*mode, device));
        out.push_back(std::move(state));
    }
    return out;
}

Result<std::vector<ClassGrant>> Supervisor::device_grants(const Mode& mode) const {
    const auto policy = std::ranges::find(policy_.modes, mode.name, &policy::ModePolicy::mode);
    if (policy == policy_.modes.end() || !policy->profile) return mode.disabled_error();
    const auto& profile = *policy->profile;
    std::vector<ClassGrant> out;
    for (const auto name : policy::child_keys(policy::profile_language(), "devices")) {
        ClassGrant grant{std::string(name), "none", "", {}};
        const auto key = "devices/" + grant.device_class;
        if (const auto right = profile.devices.find(grant.device_class);
            right != profile.devices.end())
            grant.right = right->second;
        if (profile.source.at_path(key) != nullptr) grant.at = policy::to_text(profile.where(key));
        for (const auto& device : facts_.devices)
            if (device.device_class == name && node_of(mode, device) != nullptr)
                grant.nodes.push_back("/dev/" + device.path);
        out.push_back(std::move(grant));
    }
    return out;
}

}  // namespace pmos::daemon
