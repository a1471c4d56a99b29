// cli: the verbs that go inside a mode: exec and shell. Only their options; exec_session.cpp does
// the rest.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>

#include "cli/exec_session.h"
#include "cli/verbs.h"

namespace pmos::cli {
namespace {

struct Options {
    std::string mode, user, cwd;
    std::vector<std::string> command, env;
    bool tty = false, no_tty = false;
};

Result<std::uint32_t> parse_id(std::string_view text, std::string_view whole) {
    std::uint32_t id = 0;
    const auto end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, id);
    if (error != std::errc() || at != end)
        return fail(Code::usage, fmt::format("'{}' is not a user", whole), "",
                    "write -u UID or -u UID:GID, in numbers");
    return id;
}

Result<> parse_user(const std::string& text, ExecRequest& request) {
    if (text.empty()) return {};
    const auto colon = text.find(':');
    PMOS_ASSIGN(request.user, parse_id(std::string_view(text).substr(0, colon), text));
    if (colon == text.npos) return {};
    PMOS_ASSIGN(request.group, parse_id(std::string_view(text).substr(colon + 1), text));
    return {};
}

// TERM is the one thing of the caller's environment that a program on its terminal needs.
void add_term(std::vector<std::string>& env) {
    const bool given =
        std::ranges::any_of(env, [](const std::string& e) { return e.starts_with("TERM="); });
    const char* term = std::getenv("TERM");
    if (given || term == nullptr || *term == '\0') return;
    const std::string_view value(term);
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._";
    if (value.size() <= 64 && value.find_first_not_of(kPlain) == value.npos)
        env.insert(env.begin(), fmt::format("TERM={}", value));
}

Result<ExecRequest> to_request(const Options& options, std::vector<std::string> command) {
    ExecRequest request;
    request.mode = options.mode;
    request.command = std::move(command);
    request.env = options.env;
    request.cwd = options.cwd;
    for (const auto& entry : request.env)
        if (entry.find('=') == entry.npos || entry.starts_with('='))
            return fail(Code::usage, fmt::format("'{}' is not an environment entry", entry), "",
                        "write -e NAME=VALUE");
    PMOS_TRY(parse_user(options.user, request));
    const bool terminals = ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
    request.tty = options.tty || (terminals && !options.no_tty);
    if (request.tty) add_term(request.env);
    return request;
}

Result<int> exec(const Globals& globals, const Options& options) {
    std::vector<std::string> command = options.command;
    command.insert(command.end(), globals.command.begin(), globals.command.end());
    if (command.empty() || command.front().empty())
        return fail(Code::usage, "no command given", "",
                    fmt::format("pmosctl exec {} -- COMMAND [ARGUMENTS]", options.mode));
    PMOS_ASSIGN(const auto request, to_request(options, std::move(command)));
    PMOS_ASSIGN(auto bus, globals.connect());
    return run_in_mode(bus, request);
}

Result<int> shell(const Globals& globals, const Options& options) {
    if (!globals.command.empty())
        return fail(Code::usage, "'shell' takes no command", "", "use 'pmosctl exec'");
    PMOS_ASSIGN(const auto request, to_request(options, {"/bin/sh", "-l"}));
    PMOS_ASSIGN(auto bus, globals.connect());
    return run_in_mode(bus, request);
}

std::shared_ptr<Options> common_options(CommandLine& line) {
    auto options = std::make_shared<Options>();
    line.add_option("MODE", options->mode, "the mode").required();
    line.add_flag("-t,--tty", options->tty, "give it a terminal");
    line.add_flag("-T,--no-tty", options->no_tty, "give it none").excludes({"--tty"});
    line.add_option("-e,--env", options->env, "NAME=VALUE for its environment").repeatable();
    line.add_option("-w,--workdir", options->cwd, "its working directory");
    line.add_option("-u,--user", options->user, "its UID[:GID] inside the mode");
    return options;
}

}  // namespace

Action attach_exec(CommandLine& line) {
    auto options = common_options(line);
    line.add_option("COMMAND", options->command, "the command; put -- before it");
    return [options](const Globals& globals) { return exec(globals, *options); };
}

Action attach_shell(CommandLine& line) {
    auto options = common_options(line);
    return [options](const Globals& globals) { return shell(globals, *options); };
}

}  // namespace pmos::cli
