// policy: device rules to a BPF_PROG_TYPE_CGROUP_DEVICE program. Pure: never loads one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/launch_plan.h"

namespace pmos::policy {

struct EbpfInstruction {  // struct bpf_insn
    std::uint8_t code = 0;
    std::uint8_t registers = 0;  // destination low, source high
    std::int16_t offset = 0;
    std::int32_t immediate = 0;
    friend bool operator==(const EbpfInstruction&, const EbpfInstruction&) = default;
};
static_assert(sizeof(EbpfInstruction) == 8);

enum DeviceAccess : std::uint32_t { device_mknod = 1, device_read = 2, device_write = 4 };

struct DeviceRule {
    image::NodeType type = image::NodeType::character;
    std::uint32_t major = 0;
    std::optional<std::uint32_t> minor;  // empty: all
    std::uint32_t access = 0;            // DeviceAccess bits
};

// What every mode may open: null, zero, full, random, urandom, tty, ptmx and the ptys behind it.
std::vector<DeviceRule> base_device_rules();
// Denies what no rule grants whole.
std::vector<EbpfInstruction> compile_device_filter(std::span<const DeviceRule> rules);
// A mode's filter: what every mode may open, and the nodes that it is granted.
std::vector<std::uint8_t> device_filter(std::span<const DeviceNode> nodes);
// The same while another mode is in front: without the nodes that are for the foreground only.
std::vector<std::uint8_t> background_device_filter(const LaunchPlan& plan);
std::vector<std::uint8_t> to_bytes(std::span<const EbpfInstruction> program);
std::vector<EbpfInstruction> device_filter_from_bytes(std::span<const std::uint8_t> bytes);

// Interprets a filter as the kernel would: true is allowed. Anything it cannot run is a denial.
bool evaluate_device(std::span<const EbpfInstruction> program, image::NodeType type,
                     std::uint32_t major, std::uint32_t minor, std::uint32_t access);
std::string disassemble_device_filter(std::span<const EbpfInstruction> program);

}  // namespace pmos::policy
