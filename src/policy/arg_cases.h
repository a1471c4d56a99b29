// policy: for which arguments of a system call two lists of rules decide, each by its first rule
// that holds. Solves it, rather than trying samples. Runs no filter.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "policy/syscall_filter.h"

namespace pmos::policy {

using Args = std::array<std::uint64_t, 6>;
using RuleList = std::span<const SyscallRule* const>;

struct ArgCases {
    // One for each pair of deciding rules, "none holds" among them, that some arguments have.
    std::vector<Args> found;
    bool complete = true;  // false: `steps` did not suffice, a pair may be missing
};

// steps: how much work it may take; what is left of it comes back there. In general the question is
// as hard as satisfiability, though not for rules that people write.
ArgCases arg_cases(RuleList a, RuleList b, std::size_t& steps);

}  // namespace pmos::policy
