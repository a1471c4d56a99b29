// policy: linux/resources/devices to a BPF_PROG_TYPE_CGROUP_DEVICE program. Pure: never loads one.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "policy/device_filter.h"
#include "policy/oci_config.h"

namespace pmos::policy::oci {

// Whether a filter would refuse nothing: one is then not to be attached.
bool allows_every_device(std::span<const DeviceRule> rules);

// For each kind of access (to read, to write, to make) the last rule that names it and the device
// decides; what none names is refused. As runc and crun have it, behind them all and whatever they
// say: null, zero, full, random, urandom, tty, console, ptmx and the ptys, and any node may be
// made. Code::no_space where the program would be longer than every kernel takes.
Result<std::vector<EbpfInstruction>> compile_devices(std::span<const DeviceRule> rules);

}  // namespace pmos::policy::oci
