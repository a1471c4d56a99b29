// policy: what the phone's owner demands of every profile. Knows no host.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "policy/policy_set.h"
#include "policy/profile.h"

namespace pmos::policy {

// Empty when `diagnostics` got an error.
std::optional<Node> read_site_policy(const SourceFile& file, std::vector<Diagnostic>& diagnostics);
// Each broken demand as an error at the profile's line, related to the demand's.
void check_site_policy(const Node& site, const Profile& profile,
                       std::vector<Diagnostic>& diagnostics);

// The mark that says that this mode is in production; nullptr: nobody has set it.
const Node* production_mark(const Node& site, const std::string& mode);
// System calls that no profile of this mode may have.
std::set<std::string> refused_syscalls(const Node& site, const std::string& mode);

// The demands between two modes: on `profile` because of what `other` has.
void check_site_between(const Node& site, const Profile& profile, const Profile& other,
                        std::vector<Diagnostic>& diagnostics);

// The demand `separate`: each open flow that was found, on the mode that it is about.
void check_site_separation(const Node& site, const Separation& found,
                           std::vector<ModePolicy>& modes);

}  // namespace pmos::policy
