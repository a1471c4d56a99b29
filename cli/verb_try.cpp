// cli: policy try: what the kernel says when a mode tries something, for real.
#include <cerrno>
#include <cstdio>
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
    bool heard = true;
    const auto one = [&](const std::string& attempt) -> Result<> {
        PMOS_ASSIGN(const auto answer, trial.ask(attempt));
        if (globals.json) {
            array.push_back({{"attempt", attempt}, {"answer", answer}});
        } else {
            // Whoever asks by a pipe waits for it.
            put_line(answer);
            heard = std::fflush(stdout) == 0;
        }
        return {};
    };
    for (const auto& attempt : options.attempts)
        if (heard) PMOS_TRY(one(attempt));
    if (options.attempts.empty()) {
        errno = 0;
        // Nothing is tried that nobody hears of; main says so.
        for (std::string line; heard && std::getline(std::cin, line); errno = 0)
            PMOS_TRY(one(line));
        if (std::ferror(stdin) != 0) return fail(errno_error(errno, "cannot read standard input"));
    }
    if (globals.json) put_line(array.dump(2));
    return 0;
}

}  // namespace

Action attach_policy_try(CommandLine& line) {
    auto options = std::make_shared<Options>();
    line.add_option("MODE", options->mode, "the mode, which must be running").required();
    line.add_option("ATTEMPT", options->attempts,
                    "such as 'judge ptrace' or 'write /data/x'; without any, lines of standard "
                    "input");
    return [options](const Globals& globals) { return policy_try(globals, *options); };
}

}  // namespace pmos::cli
