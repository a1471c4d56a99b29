// cli: CLI11. It throws; nothing of that leaves this file.
#include "cli/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>

namespace pmos::cli {

Option Option::required() {
    option_->required();
    return *this;
}

Option Option::one_of(std::initializer_list<const char*> words) {
    option_->check(CLI::IsMember(std::vector<std::string>(words.begin(), words.end())));
    return *this;
}

Option Option::not_empty() {
    option_->check([](const std::string& value) {
        return value.empty() ? std::string("it is empty") : std::string();
    });
    return *this;
}

Option Option::not_negative() {
    option_->check(CLI::NonNegativeNumber);
    return *this;
}

Option Option::between(double least, double most) {
    option_->check(CLI::Range(least, most));
    return *this;
}

Option Option::between(std::uint64_t least, std::uint64_t most) {
    option_->check(CLI::Range(least, most));
    return *this;
}

Option Option::excludes(std::initializer_list<const char*> names) {
    for (const char* name : names) option_->excludes(app_->get_option(name));
    return *this;
}

Option Option::repeatable() {
    option_->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    return *this;
}

Option Option::shows_default() {
    option_->capture_default_str();
    return *this;
}

CommandLine::CommandLine(std::string_view verb, std::string_view summary)
    : verb_(verb),
      app_(std::make_unique<CLI::App>(std::string(summary), fmt::format("pmosctl {}", verb))) {}

CommandLine::~CommandLine() = default;

Option CommandLine::add_flag(const std::string& names, bool& target, const std::string& what) {
    return {*app_, *app_->add_flag(names, target, what)};
}

Option CommandLine::add_option(const std::string& names, std::string& target,
                               const std::string& what) {
    return {*app_, *app_->add_option(names, target, what)};
}

Option CommandLine::add_option(const std::string& names, std::vector<std::string>& target,
                               const std::string& what) {
    return {*app_, *app_->add_option(names, target, what)};
}

Option CommandLine::add_option(const std::string& names, int& target, const std::string& what) {
    return {*app_, *app_->add_option(names, target, what)};
}

Option CommandLine::add_option(const std::string& names, std::uint64_t& target,
                               const std::string& what) {
    return {*app_, *app_->add_option(names, target, what)};
}

Option CommandLine::add_option(const std::string& names, double& target, const std::string& what) {
    return {*app_, *app_->add_option(names, target, what)};
}

Result<bool> CommandLine::parse(std::vector<std::string> args) {
    try {
        std::ranges::reverse(args);  // CLI11 takes them from the back
        app_->parse(std::move(args));
        return true;
    } catch (const CLI::CallForHelp&) {
        return false;
    } catch (const CLI::Error& e) {
        std::string why = e.what();
        // "MODE is required" begins with a name and no sentence.
        if (why.size() > 1 && std::islower(static_cast<unsigned char>(why[1])) != 0)
            why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
        std::ranges::replace(why, '\n', ' ');
        return fail(Code::usage, std::move(why), "", fmt::format("see 'pmosctl {} --help'", verb_));
    }
}

std::string CommandLine::help() const { return app_->help(); }

}  // namespace pmos::cli
