// policy: the profiles of a phone together, read, merged and checked. The one entrance for
// pmosd and for pmosctl; does no file access of its own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/diagnostic.h"
#include "policy/host_facts.h"
#include "policy/launch_plan.h"

namespace pmos::policy {

struct Node;        // policy/json_reader.h: a tree that knows its places
struct Profile;     // policy/profile.h: the typed, merged, checked form of one mode's JSON
struct Separation;  // policy/separation.h: what flows between modes

struct SourceFile {
    std::string path;  // as it is shown in diagnostics
    std::string bytes;
};

// Reads a file that a profile extends, path relative to the profiles directory, already checked
// not to climb out of it. The caller decides where the bytes come from.
using ReadBlock = std::function<Result<std::string>(const std::string& path)>;

struct ModePolicy {
    std::string mode;  // from the file's name where the profile could not be read
    std::string file;
    std::shared_ptr<const Profile> profile;  // null when diagnostics hold an error
    // Whole, but refused for the owner's or another mode's sake: to ask about, never to start.
    std::shared_ptr<const Profile> disputed = nullptr;
    std::vector<Diagnostic> diagnostics;  // of this mode only
    std::shared_ptr<const Node> demands;  // the site policy; null where there is none
};

struct PolicySet {
    std::vector<ModePolicy> modes;               // by name
    std::vector<Diagnostic> diagnostics;         // of the site policy
    std::vector<std::string> emergency_numbers;  // the owner's
    // What flows between the modes on a phone that has everything.
    std::shared_ptr<const Separation> separation;
};

// All faults of all profiles at once. A fault between two profiles (overlapping id ranges, the
// same image twice) disables both and names both places. A broken site policy disables all.
PolicySet read_policy(std::span<const SourceFile> profiles, const SourceFile* site,
                      const ReadBlock& read_block);

// The merged profile with all defaults as JSON; with `origin`, one line for each value: place,
// pointer, value. A default's place is the file "default".
std::string resolved_text(const Profile& profile, bool origin);
// The same as an array of {pointer, value, file, line, column}.
std::string origins_json(const Profile& profile);

struct Compiled {
    std::optional<LaunchPlan> plan;       // empty when diagnostics hold an error
    std::vector<Diagnostic> diagnostics;  // what this phone cannot enforce, by key and line
};

struct CompileOptions {
    // The plan of a recording: what its filter refuses it asks a listener for, who lets through
    // what may be recorded. Never the plan of an ordinary start.
    bool record = false;
    std::set<std::string> never = {};  // system calls that a recording refuses all the same
    // Whether the filter asks a listener to refuse what the profile wants told (denials/arguments):
    // of a plan that is launched. What is refused stays the same.
    bool ask = false;
};
Compiled compile(const Profile& profile, const HostFacts& facts,
                 const CompileOptions& options = {});
// What a profile means, whether or not this build or a phone can enforce it: to answer questions
// by. Never launched.
LaunchPlan intended_plan(const Profile& profile, const HostFacts& facts);

}  // namespace pmos::policy
