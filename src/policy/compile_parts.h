// policy: the parts of compile() that are lists of their own. Reads no host.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policy/host_facts.h"
#include "policy/launch_plan.h"
#include "policy/profile.h"

namespace pmos::policy {

// Nodes, links and directories that every mode's /dev has, parents first.
std::vector<DeviceNode> base_device_nodes();
// The node and the directories above it that are not there yet. The node is returned.
DeviceNode& add_device_node(std::vector<DeviceNode>& nodes, const HostDevice& device);

// Root, /dev and what is in it, /proc, /tmp, /run, volumes, the profile's own, the brokers', then
// masks.
std::vector<MountOp> mount_operations(const Profile& profile, const LaunchPlan& plan,
                                      const HostFacts& facts);

// Every file system right that an ABI of Landlock knows.
std::uint64_t landlock_handled(std::uint32_t abi);
// Reading everywhere, executing below `execute`, writing in writable mounts and device nodes.
std::vector<LandlockRule> landlock_rules(const LaunchPlan& plan,
                                         const std::vector<std::string>& execute);

}  // namespace pmos::policy
