// cli: what a verb takes from its command line. CLI11 reads it, in one file: its headers are more
// than all of the verbs, and each verb would have them compiled anew.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace pmos::cli {

// One option, or a word by its place, and what it must be.
class Option {
  public:
    Option(CLI::App& app, CLI::Option& option) : app_(&app), option_(&option) {}

    Option required();
    Option one_of(std::initializer_list<const char*> words);
    Option not_empty();
    Option not_negative();
    Option between(double least, double most);
    Option between(std::uint64_t least, std::uint64_t most);
    Option excludes(std::initializer_list<const char*> names);  // options that were added before
    Option repeatable();     // a value each time that it is given
    Option shows_default();  // in the help

  private:
    CLI::App* app_;
    CLI::Option* option_;
};

class CommandLine {
  public:
    CommandLine(std::string_view verb, std::string_view summary);
    ~CommandLine();
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;

    // NAMES as "-w,--watch" or, by its place, "MODE". parse() writes the target.
    Option add_flag(const std::string& names, bool& target, const std::string& what);
    Option add_option(const std::string& names, std::string& target, const std::string& what);
    Option add_option(const std::string& names, std::vector<std::string>& target,
                      const std::string& what);
    Option add_option(const std::string& names, int& target, const std::string& what);
    Option add_option(const std::string& names, std::uint64_t& target, const std::string& what);
    Option add_option(const std::string& names, double& target, const std::string& what);

    // False: help was asked for. Errors: Code::usage, by words of CLI11.
    Result<bool> parse(std::vector<std::string> args);
    std::string help() const;

  private:
    std::string verb_;
    std::unique_ptr<CLI::App> app_;
};

}  // namespace pmos::cli
