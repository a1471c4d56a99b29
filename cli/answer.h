// cli: what the policy answers to a question about a mode, and how that reads. Asks nobody.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "cli/policy_files.h"
#include "policy/question.h"

namespace pmos::cli {

// On a phone that has everything. A mode that no phone can start may do nothing.
Result<policy::Answer> answer_for(const CheckedPolicy& policy, const policy::ModePolicy& mode,
                                  const policy::Question& question);

// With the line of the profile that says so.
std::string answer_text(const std::string& mode, const policy::Answer& answer,
                        const CheckedPolicy& policy, bool colour);
nlohmann::ordered_json answer_json(const std::string& mode, const policy::Answer& answer);

}  // namespace pmos::cli
