// cli: profiles on disk, checked by the code that pmosd uses. Talks to nobody, needs no root.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/bundle.h"
#include "policy/separation.h"

namespace pmos::cli {

struct CheckedPolicy {
    std::vector<policy::ModePolicy> modes;        // of all directories, by directory and name
    std::vector<policy::Diagnostic> diagnostics;  // of everything, in the order of reading
    std::vector<policy::Diagnostic> unknown;      // of these, what hides a mode or a demand
    std::map<std::string, std::string> texts;     // what was read, by the names in diagnostics
    // What flows between all of them, on a phone that has everything.
    std::shared_ptr<const policy::Separation> separation;
};

// Where the profiles are when nobody says: what pmosd reads, else ./profiles. On a phone whose
// policy is a signed bundle pmosd reads no directory: an error that says so, for what is found
// right in one that nobody uses would be believed. It is one also where the keys are gone and a
// bundle is installed; only root sees whether there is.
struct ProfilePlaces {
    std::string installed, trust, slots, here;
};
Result<std::string> default_profiles(const ProfilePlaces& places);
Result<std::string> default_profiles();  // in their usual places

// Profiles and directories of them; none: the installed ones, else ./profiles. Files of one
// directory are checked against each other and against its site.json. A file that cannot be read
// is a finding; a path that is not there is an error.
// `instead` holds the bytes of files as they would be, by path.
Result<CheckedPolicy> check_policy(const std::vector<std::string>& paths,
                                   const std::map<std::string, std::string>& instead = {});

// Nothing if every file could be read and the owner's demands are known. Otherwise an answer about
// all modes would leave out one that nobody has seen.
Result<> all_known(const CheckedPolicy& policy);

// What is said of a mode whose profile has errors.
Error broken_profile(const policy::ModePolicy& mode);
// Nothing if there is none such, but for two that dispute a name.
Result<> none_broken(std::span<const policy::ModePolicy> modes);

// Files of one profiles directory that lie somewhere else than on this disk.
struct FileSet {
    struct File {
        std::string bytes;
        std::string error = {};  // why it could not be read, "" else
    };
    std::string shown;                  // where they are: "phone", "HEAD~1:profiles"
    std::map<std::string, File> files;  // by their paths from that directory
};
// By the same rules; of one profile, where it is named.
CheckedPolicy check_files(const FileSet& set, const std::string& one = "");

// What is in a bundle, by the same rules.
CheckedPolicy check_bundle(const policy::Bundle& bundle);

// One mode of them; an error with the names that there are, or with the findings' number.
Result<policy::ModePolicy> find_mode(const CheckedPolicy& policy, const std::string& mode);

}  // namespace pmos::cli
