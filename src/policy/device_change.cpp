// policy: which device nodes a mode that runs gains or loses when the phone's devices change. Pure.
#include "policy/device_change.h"

#include <algorithm>
#include <iterator>

#include "policy/device_filter.h"

namespace pmos::policy {
namespace {

bool is_there(const DeviceNode& node, const HostFacts& facts) {
    return std::ranges::any_of(facts.devices, [&](const HostDevice& d) {
        return d.device_class == node.device_class && d.path == node.path &&
               d.block == (node.type == image::NodeType::block) && d.major == node.major &&
               d.minor == node.minor;
    });
}

std::vector<DeviceNode> nodes_now(const LaunchPlan& running, const Profile* profile,
                                  const HostFacts& facts) {
    if (profile != nullptr)
        if (auto compiled = compile(*profile, facts); compiled.plan)
            return std::move(compiled.plan->device_nodes);
    auto nodes = running.device_nodes;
    std::erase_if(nodes, [&](const DeviceNode& node) {
        return !node.device_class.empty() && !is_there(node, facts);
    });
    return nodes;
}

// Directories on the way to a device come with it, and stay.
std::vector<DeviceNode> missing_in(const std::vector<DeviceNode>& nodes,
                                   const std::vector<DeviceNode>& others) {
    std::vector<DeviceNode> missing;
    std::ranges::copy_if(nodes, std::back_inserter(missing), [&](const DeviceNode& node) {
        return !node.device_class.empty() && std::ranges::find(others, node) == others.end();
    });
    return missing;
}

}  // namespace

std::optional<DeviceChange> device_change(const LaunchPlan& running, const Profile* profile,
                                          const HostFacts& facts) {
    auto nodes = nodes_now(running, profile, facts);
    DeviceChange change{running, missing_in(nodes, running.device_nodes),
                        missing_in(running.device_nodes, nodes)};
    if (change.come.empty() && change.gone.empty()) return std::nullopt;
    change.plan.device_nodes = std::move(nodes);
    change.plan.device_filter = device_filter(change.plan.device_nodes);
    return change;
}

}  // namespace pmos::policy
