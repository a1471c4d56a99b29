// policy: linux/resources/devices to a BPF_PROG_TYPE_CGROUP_DEVICE program. Pure: never loads one.
#include "policy/oci_devices.h"

#include <ranges>

#include "policy/device_code.h"

namespace pmos::policy::oci {
namespace {

using namespace device_code;

// BPF_MAXINSNS, which counts for a loader without CAP_BPF. Also keeps each jump within its 16 bits.
constexpr std::size_t kMaxInstructions = 4096;
constexpr std::uint32_t kAny = device_read | device_write | device_mknod;

std::uint32_t access_of(const DeviceRule& rule) {
    return (rule.read ? device_read : 0U) | (rule.write ? device_write : 0U) |
           (rule.make ? device_mknod : 0U);
}

bool names_all(const DeviceRule& rule) {
    return rule.type == 'a' && !rule.major && !rule.minor && access_of(rule) == kAny;
}

std::vector<DeviceRule> always() {
    const auto make = [](char type) {
        return DeviceRule{.allow = true, .type = type, .major = {}, .minor = {}, .make = true};
    };
    const auto use = [](std::uint32_t major, std::optional<std::uint32_t> minor) {
        return DeviceRule{true, 'c', major, minor, true, true, true};
    };
    std::vector<DeviceRule> rules{make('c'), make('b')};
    for (const std::uint32_t minor : {3U, 5U, 7U, 8U, 9U}) rules.push_back(use(1, minor));
    for (const std::uint32_t minor : {0U, 1U, 2U}) rules.push_back(use(5, minor));
    rules.push_back(use(136, std::nullopt));  // devpts gives out this major
    return rules;
}

// Not for this device: on to what follows.
void guard(Instructions& code, const DeviceRule& rule) {
    const auto skip_unless = [&](Register left, std::uint32_t right) {
        code.insert(code.begin(), unless_equal(left, right, code.size()));
    };
    if (rule.minor) skip_unless(minor_no, *rule.minor);
    if (rule.major) skip_unless(major_no, *rule.major);
    if (rule.type != 'a')
        skip_unless(type, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
}

// What is allowed is asked for no longer; with nothing left, everything is.
Instructions allow_code(const DeviceRule& rule) {
    Instructions code{alu(BPF_AND, access_bits, static_cast<std::int32_t>(~access_of(rule) & kAny)),
                      unless_equal(access_bits, 0, 2)};
    append(code, answer(true));
    guard(code, rule);
    return code;
}

// The last of these jumps to the refusal at the program's end: its distance comes later.
Instructions deny_code(const DeviceRule& rule) {
    Instructions code{copy(scratch, access_bits),
                      alu(BPF_AND, scratch, static_cast<std::int32_t>(access_of(rule))),
                      unless_equal(scratch, 0, 0)};
    guard(code, rule);
    return code;
}

}  // namespace

bool allows_every_device(std::span<const DeviceRule> rules) {
    for (const auto& rule : std::views::reverse(rules)) {
        if (!rule.allow) return access_of(rule) == 0;
        if (names_all(rule)) return true;
    }
    return false;
}

Result<std::vector<EbpfInstruction>> compile_devices(std::span<const DeviceRule> rules) {
    std::vector<DeviceRule> all(rules.begin(), rules.end());
    std::ranges::copy(always(), std::back_inserter(all));
    Instructions program = fetch();
    std::vector<std::size_t> refusals;
    // From the last on: the first that matches decides.
    for (const auto& rule : std::views::reverse(all)) {
        if (access_of(rule) == 0) continue;
        if (!rule.allow && names_all(rule)) break;
        append(program, rule.allow ? allow_code(rule) : deny_code(rule));
        if (!rule.allow) refusals.push_back(program.size() - 1);
        if (program.size() + 2 > kMaxInstructions)
            return fail(Code::no_space, "'/linux/resources/devices' has too many rules",
                        "a program of them would be too long for the kernel",
                        "let rules name all minor numbers of a device");
    }
    for (const auto at : refusals)
        program[at].offset = static_cast<std::int16_t>(program.size() - at - 1);
    append(program, answer(false));
    return program;
}

}  // namespace pmos::policy::oci
