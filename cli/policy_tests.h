// cli: expectations on disk and the profiles beside them. Talks to nobody, needs no root.
#pragma once

#include <string>
#include <vector>

#include "cli/policy_files.h"
#include "policy/expectation.h"

namespace pmos::cli {

struct PolicyTests {
    CheckedPolicy policy;  // with the findings of the expectations' files
    std::vector<policy::Expectation> expectations;
};

// The profiles of a directory ("": the installed ones, else ./profiles) and its tests/*.json.
Result<PolicyTests> read_policy_tests(const std::string& directory);
// What the evaluator says. The results point into `tests`.
std::vector<policy::TestCase> run_policy_tests(const PolicyTests& tests);

}  // namespace pmos::cli
