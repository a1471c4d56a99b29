// cli: one side of a comparison, wherever it is: a profile, a directory, a revision of git, a
// signed bundle, the phone. Never prints, changes nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/policy_files.h"
#include "cli/verbs.h"
#include "policy/diff.h"

namespace pmos::cli {

inline constexpr std::string_view kPhoneWord = "phone";

struct PolicyInput {
    std::string shown;         // "the phone", "HEAD~1:profiles"
    CheckedPolicy policy;      // as it was read
    bool one_profile = false;  // a file: its mode is meant, and no other

    // For diff(): every mode, a profile that cannot be read among them as one that is broken, and
    // the findings of the site policy.
    std::vector<policy::ModePolicy> modes;
    std::vector<policy::Diagnostic> site_findings;
    policy::DiffSide side() const;
};

struct InputTrust {
    std::vector<std::string> keys;  // public keys that may have signed a bundle
    std::string directory;          // of them, where none is named
};

// text: "phone"; the path of a profile, of a directory or of a bundle; REV or REV:PATH of git. A
// path that is there comes first.
Result<PolicyInput> read_input(const Globals& globals, const std::string& text,
                               const InputTrust& trust);

// What changes. Where one of them is a single profile, of its mode alone, without what only the
// whole policy says: flows and demands.
std::vector<policy::Change> diff_inputs(const PolicyInput& a, const PolicyInput& b);

}  // namespace pmos::cli
