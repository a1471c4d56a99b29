// cli: findings as text, as JSON and as SARIF. Reads no file.
#pragma once

#include <string>

#include "cli/policy_files.h"

namespace pmos::cli {

// Like a compiler: place and message, the line with a caret, why, what to do.
// `subject`: what was checked, where it is no set of modes.
std::string findings_text(const CheckedPolicy& policy, bool colour, std::string subject = "");
// They go to standard output, or apart from what a program reads there: to standard error.
void put_findings(const CheckedPolicy& policy, bool apart, const std::string& subject = "");
// An array of {file, line, column, pointer, severity, rule, message, fix}.
std::string findings_json(const CheckedPolicy& policy);
// SARIF 2.1.0, for code hosting services and editors.
std::string findings_sarif(const CheckedPolicy& policy);

}  // namespace pmos::cli
