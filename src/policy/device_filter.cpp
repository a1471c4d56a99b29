// policy: device rules to a BPF_PROG_TYPE_CGROUP_DEVICE program. Pure: never loads one.
#include "policy/device_filter.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "policy/device_code.h"

namespace pmos::policy {
namespace {

using namespace device_code;

constexpr std::size_t kMaxInstructions = 4096;

std::uint32_t kernel_type(image::NodeType t) {
    return t == image::NodeType::block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
}

Instructions rule_code(const DeviceRule& rule) {
    // From the end: each comparison skips what follows it.
    Instructions code{copy(scratch, access_bits),
                      alu(BPF_AND, scratch, static_cast<std::int32_t>(~rule.access & 7U)),
                      unless_equal(scratch, 0, 2)};
    append(code, answer(true));
    if (rule.minor) code.insert(code.begin(), unless_equal(minor_no, *rule.minor, code.size()));
    code.insert(code.begin(), unless_equal(major_no, rule.major, code.size()));
    code.insert(code.begin(), unless_equal(type, kernel_type(rule.type), code.size()));
    return code;
}

std::string register_name(unsigned r) {
    constexpr std::array<std::string_view, 7> kNames{"result", "ctx",   "type",   "access",
                                                     "major",  "minor", "scratch"};
    return r < kNames.size() ? std::string(kNames[r]) : fmt::format("r{}", r);
}

std::vector<std::uint8_t> filter_of(std::span<const DeviceNode> nodes, bool in_front) {
    auto rules = base_device_rules();
    for (const auto& node : nodes)
        if (!node.device_class.empty() && (in_front || !node.foreground))
            rules.push_back({node.type, node.major, node.minor, device_read | device_write});
    return to_bytes(compile_device_filter(rules));
}

}  // namespace

std::vector<DeviceRule> base_device_rules() {
    constexpr auto kChar = image::NodeType::character;
    constexpr std::uint32_t kOpen = device_read | device_write;
    std::vector<DeviceRule> rules;
    for (const std::uint32_t minor : {3U, 5U, 7U, 8U, 9U})
        rules.push_back({kChar, 1, minor, kOpen});
    rules.push_back({kChar, 5, 0, kOpen});               // tty
    rules.push_back({kChar, 5, 2, kOpen});               // ptmx
    rules.push_back({kChar, 136, std::nullopt, kOpen});  // pts: devpts gives out this major
    return rules;
}

std::vector<EbpfInstruction> compile_device_filter(std::span<const DeviceRule> rules) {
    Instructions program = fetch();
    for (const auto& rule : rules) append(program, rule_code(rule));
    append(program, answer(false));
    return program;
}

std::vector<std::uint8_t> device_filter(std::span<const DeviceNode> nodes) {
    return filter_of(nodes, true);
}

std::vector<std::uint8_t> background_device_filter(const LaunchPlan& plan) {
    return filter_of(plan.device_nodes, false);
}

std::vector<std::uint8_t> to_bytes(std::span<const EbpfInstruction> program) {
    static_assert(sizeof(EbpfInstruction) == sizeof(bpf_insn));
    std::vector<std::uint8_t> bytes(program.size_bytes());
    if (!bytes.empty()) std::memcpy(bytes.data(), program.data(), bytes.size());
    return bytes;
}

std::vector<EbpfInstruction> device_filter_from_bytes(std::span<const std::uint8_t> bytes) {
    std::vector<EbpfInstruction> program(bytes.size() / sizeof(EbpfInstruction));
    if (!program.empty())
        std::memcpy(program.data(), bytes.data(), program.size() * sizeof(EbpfInstruction));
    return program;
}

bool evaluate_device(std::span<const EbpfInstruction> program, image::NodeType node,
                     std::uint32_t major, std::uint32_t minor, std::uint32_t access) {
    const std::array<std::uint32_t, 3> fields{access << 16U | kernel_type(node), major, minor};
    std::array<std::uint32_t, 16> r{};
    for (std::size_t pc = 0; pc < program.size() && program.size() <= kMaxInstructions; ++pc) {
        const auto& i = program[pc];
        std::uint32_t& to = r[i.registers & 15U];
        const std::uint32_t from = r[i.registers >> 4U];
        const auto k = static_cast<std::uint32_t>(i.immediate);
        switch (i.code) {
            case BPF_LDX | BPF_MEM | BPF_W:
                if (i.offset < 0 || i.offset > 8 || i.offset % 4 != 0) return false;
                to = fields[static_cast<std::size_t>(i.offset) / 4];
                break;
            case BPF_ALU | BPF_MOV | BPF_X:
                to = from;
                break;
            case BPF_ALU | BPF_MOV | BPF_K:
                to = k;
                break;
            case BPF_ALU | BPF_AND | BPF_K:
                to &= k;
                break;
            case BPF_ALU | BPF_RSH | BPF_K:
                to >>= k & 31U;
                break;
            case BPF_JMP32 | BPF_JNE | BPF_K:
                if (i.offset < 0) return false;
                if (to != k) pc += static_cast<std::size_t>(i.offset);
                break;
            case BPF_JMP | BPF_EXIT:
                return r[result] == 1;
            default:
                return false;
        }
    }
    return false;
}

std::string disassemble_device_filter(std::span<const EbpfInstruction> program) {
    std::string text;
    for (std::size_t pc = 0; pc < program.size(); ++pc) {
        const auto& i = program[pc];
        const auto to = register_name(i.registers & 15U);
        std::string line;
        switch (i.code) {
            case BPF_LDX | BPF_MEM | BPF_W:
                line = fmt::format("{} = ctx[{}]", to, i.offset);
                break;
            case BPF_ALU | BPF_MOV | BPF_X:
                line = fmt::format("{} = {}", to, register_name(i.registers >> 4U));
                break;
            case BPF_ALU | BPF_MOV | BPF_K:
                line = fmt::format("{} = {}", to, i.immediate);
                break;
            case BPF_ALU | BPF_AND | BPF_K:
                line = fmt::format("{} &= 0x{:x}", to, static_cast<std::uint32_t>(i.immediate));
                break;
            case BPF_ALU | BPF_RSH | BPF_K:
                line = fmt::format("{} >>= {}", to, i.immediate);
                break;
            case BPF_JMP32 | BPF_JNE | BPF_K:
                line =
                    fmt::format("if {} != {} goto {}", to, static_cast<std::uint32_t>(i.immediate),
                                pc + 1 + static_cast<std::size_t>(i.offset));
                break;
            default:
                line = "exit";
                break;
        }
        text += fmt::format("{:4}: {}\n", pc, line);
    }
    return text;
}

}  // namespace pmos::policy
