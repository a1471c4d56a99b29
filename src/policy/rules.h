// policy: the rules that findings name: stable ids, what each means and an example. Checks nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace pmos::policy {

enum class Severity : std::uint8_t { error, warning, note };

// In the order of the table in rules.cpp. An id never changes its meaning and is never used again.
enum class Rule : std::uint8_t {
    // The file, not its meaning.
    syntax,
    invalid_utf8,
    nul_byte,
    duplicate_key,
    too_deep,
    too_large,
    unreadable_profile,
    unreadable_site_policy,
    no_site_policy,
    missing_pin,
    // Names that the language does not have.
    unknown_key,
    unknown_class,
    unknown_rlimit,
    unknown_option,
    unknown_group,
    unknown_syscall,
    unknown_capability,
    unknown_errno,
    // Values that cannot be.
    wrong_type,
    bad_value,
    out_of_range,
    missing_key,
    contradiction,
    // Blocks.
    bad_extends,
    extends_cycle,
    mode_in_block,
    // What would not separate, or not work.
    missing_namespace,
    forbidden_source,
    forbidden_target,
    duplicate_target,
    hidden_target,
    duplicate_volume,
    // Between two profiles.
    duplicate_mode,
    overlapping_id_range,
    shared_image,
    shared_volume,
    writable_share,
    shared_device,
    shared_address,
    claimed_twice,
    open_flow,
    // The owner's demands.
    site_policy,
    site_policy_broken,
    // What this build or this phone lacks.
    not_enforced,
    unsupported,
    no_such_device,
    limit_skipped,
    denials_not_told,
    no_time_namespace,
    // Lints.
    device_key,
    tpm_alone,
    lone_tpm,
    pin_beside_tpm,
    lone_authenticator,
    weak_kdf,
    told_discards,
    unchecked_volume,
    erase_after_failures,
    keys_stay,
    dangerous_syscalls,
    dangerous_capability,
    guard_overridden,
    high_bits,
    unreachable_rule,
    libc_start,
    unused_right,
    covered_rule,
    open_inbound,
    unarbitrated_device,
    unconfined,
    missing_limit,
    writable_executable,
    broad_grant,
    unverified_image,
};

struct RuleInfo {
    Rule rule{};
    std::string_view id;
    Severity severity{};         // a finding may differ: not-enforced is an error at the start
    std::string_view title;      // what is wrong, in a few words
    std::string_view why;        // why that is a finding
    std::string_view example{};  // members of a profile that it speaks up for, "" where none can be
};

std::span<const RuleInfo> rules();
const RuleInfo& rule_info(Rule rule);
std::string_view rule_id(Rule rule);
const RuleInfo* find_rule(std::string_view id);     // nullptr: no such rule
std::string_view severity_name(Severity severity);  // "error", "warning", "note"

}  // namespace pmos::policy
