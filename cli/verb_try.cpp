// cli: policy try: what the kernel says when a mode tries something, for real.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/trial.h"
#include "cli/verbs.h"

namespace pmos::cli {
namespace {

struct Options {
    std::string mode;
    std::vector<std::string> attempts;
};

Result<int> policy_try(const Globals& globals, const Options& options) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(auto trial, Trial::start(bus, options.mode));
    auto array = nlohmann::ordered_json::array();
    const auto one = [&](const std::string& attempt) -> Result<> {
        PMOS_ASSIGN(const auto answer, trial.ask(attempt));
        if (globals.json) {
            array.push_back({{"attempt", attempt}, {"answer", answer}});
        } else {
            // Whoever asks by a pipe waits for it.
            put_line(answer);
            std::fflush(stdout);
        }
        return {};
    };
    for (const auto& attempt : options.attempts) PMOS_TRY(one(attempt));
    if (options.attempts.empty())
        for (std::string line; std::getline(std::cin, line);) PMOS_TRY(one(line));
    if (globals.json) put_line(array.dump(2));
    return 0;
}

}  // namespace

Action attach_policy_try(CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("MODE", options->mode, "the mode, which must be running")->required();
    app.add_option("ATTEMPT", options->attempts,
                   "such as 'judge ptrace' or 'write /data/x'; without any, lines of standard "
                   "input");
    return [options](const Globals& globals) { return policy_try(globals, *options); };
}

}  // namespace pmos::cli
