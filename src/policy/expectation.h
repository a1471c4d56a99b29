// policy: expectations beside the profiles, and what the evaluator says of each. Asks no host.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/policy_set.h"
#include "policy/question.h"
#include "policy/separation.h"

namespace pmos::policy {

// What is asked of one mode at one time.
struct Query {
    Question question;
    std::string foreground;  // "": the mode that is asked
    bool locked = false;     // the mode that is asked
    Location at;             // of the value that names it
};

struct Expectation {
    std::string why;
    std::vector<std::string> modes;  // empty: all
    std::vector<std::string> locked;
    std::vector<Query> queries;
    Ruling is{};
    Location at;
};

// Faults of shape and sense, all of them; empty when there is an error. `modes` are the profiles
// beside the file, broken ones too: a name that none of them has is a fault, and so is what would
// ask nothing.
std::optional<std::vector<Expectation>> read_expectations(const SourceFile& file,
                                                          std::span<const ModePolicy> modes,
                                                          std::vector<Diagnostic>& diagnostics);

enum class Outcome : std::uint8_t {
    passed,
    failed,
    pending,  // it would hold, but this build cannot enforce it yet
};
inline constexpr std::string_view kOutcomeNames = "passed|failed|pending";

// One question to one mode.
struct TestCase {
    const Expectation* expectation = nullptr;
    std::string mode;
    Query query;
    Answer answer;
    Outcome outcome{};
    std::string note;  // why it is pending, or could not be asked
};

// Of every expectation, each of its questions to each of its modes, in their order. `modes` are
// profiles of one directory; one that is broken fails. Without modes in it, an expectation about
// what a mode hears asks all the others.
std::vector<TestCase> run_expectations(std::span<const Expectation> expectations,
                                       std::span<const ModePolicy> modes, const HostFacts& facts,
                                       const Separation& separation);

}  // namespace pmos::policy
