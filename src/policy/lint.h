// policy: what weakens a sound profile, or does nothing in it. Never refuses one.
#pragma once

#include <vector>

#include "policy/profile.h"

namespace pmos::policy {

void lint(const Profile& profile, std::vector<Diagnostic>& diagnostics);
void lint_network(const Profile& profile, std::vector<Diagnostic>& diagnostics);
void lint_seccomp(const Profile& profile, std::vector<Diagnostic>& diagnostics);

// A class that the mode has open although nothing stands between: no broker, and no freezing
// when it goes to the background. "" where the right is arbitrated or not granted.
std::string unarbitrated(const Profile& profile, std::string_view device_class);

// Calls and capabilities that a profile should have a very good reason for.
bool weakens_walls(const std::string& syscall);
bool weakens_walls_capability(std::string_view name);
// The kernel asks for it outside of what a mode's namespaces own: a mode that holds it has nothing.
bool idle_capability(std::string_view name);

}  // namespace pmos::policy
