// cli: policy explain: may a mode do that, which line says so, and what would change it.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/answer.h"
#include "cli/output.h"
#include "cli/policy_files.h"
#include "cli/verbs.h"
#include "policy/question_words.h"

namespace pmos::cli {
namespace {

struct ExplainOptions {
    std::string mode, directory;
    std::vector<std::string> words;
};

Result<std::vector<policy::ModePolicy>> modes_of(const CheckedPolicy& policy,
                                                 const policy::Asked& asked) {
    std::vector<policy::ModePolicy> modes;
    for (const auto& name : asked.modes) {
        PMOS_ASSIGN(auto mode, find_mode(policy, name));
        modes.push_back(std::move(mode));
    }
    const bool hears = asked.question.topic == policy::Topic::hears;
    if (hears || asked.modes.empty()) PMOS_TRY(all_known(policy));
    if (!asked.modes.empty()) return modes;
    // Of every one: a mode that is left out would pass for one that may not.
    for (const auto& known : policy.modes) {
        PMOS_ASSIGN(auto mode, find_mode(policy, known.mode));
        if (!hears || mode.mode != asked.question.what) modes.push_back(std::move(mode));
    }
    return modes;
}

Result<int> explain(const Globals& globals, const ExplainOptions& options) {
    std::vector<std::string> paths;
    if (!options.directory.empty()) paths.push_back(options.directory);
    PMOS_ASSIGN(const auto policy, check_policy(paths));
    std::vector<std::string> names;
    for (const auto& mode : policy.modes) names.push_back(mode.mode);
    auto parsed = policy::parse_question(options.words, names);
    if (!parsed) {
        // A word that it does not know may be the name of a mode that could not be read.
        PMOS_TRY(all_known(policy));
        return fail(std::move(parsed.error()));
    }
    auto asked = std::move(*parsed);
    if (!options.mode.empty()) asked.modes = {options.mode};
    PMOS_ASSIGN(const auto modes, modes_of(policy, asked));
    auto array = nlohmann::ordered_json::array();
    for (const auto& mode : modes) {
        PMOS_ASSIGN(const auto answer, answer_for(policy, mode, asked.question));
        if (globals.json)
            array.push_back(answer_json(mode.mode, answer));
        else
            put(answer_text(mode.mode, answer, policy, wants_colour(STDOUT_FILENO)));
    }
    if (globals.json) put_line(array.dump(2));
    return 0;
}

}  // namespace

Action attach_policy_explain(CommandLine& line) {
    auto options = std::make_shared<ExplainOptions>();
    line.add_option("-m,--mode", options->mode, "of which mode; without it, of every one");
    line.add_option("--dir", options->directory, "the profiles' directory, or one profile");
    line.add_option("QUESTION", options->words,
                    "in English (\"may secure open the GPU?\"), or: syscall NAME | path PATH "
                    "read|write|execute | device CLASS RIGHT | connect ADDRESS:PORT[/PROTOCOL] | "
                    "capability NAME "
                    "| hears MODE")
        .required();
    return [options](const Globals& globals) { return explain(globals, *options); };
}

}  // namespace pmos::cli
