// policy: what weakens a sound profile, or does nothing in it. Never refuses one.
#pragma once

#include <vector>

#include "policy/profile.h"

namespace pmos::policy {

void lint(const Profile& profile, std::vector<Diagnostic>& diagnostics);
void lint_seccomp(const Profile& profile, std::vector<Diagnostic>& diagnostics);

// A class that the mode has open although nothing stands between: no broker, and no freezing
// when it goes to the background. "" where the right is arbitrated or not granted.
std::string unarbitrated(const Profile& profile, std::string_view device_class);

}  // namespace pmos::policy
