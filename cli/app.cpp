// cli: from an argument list to a verb, its options and an exit status.
#include "cli/app.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "cli/command_line.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "policy/diagnostic.h"

namespace pmos::cli {
namespace {

using Args = std::vector<std::string>;

// Of all verbs, or of those whose name begins with a word.
std::string help_text(std::string_view first_word = "") {
    std::string out =
        "pmosctl - control the modes of this phone\n\n"
        "Usage: pmosctl [OPTIONS] VERB [ARGUMENTS]\n";
    std::string_view group;
    for (const auto& verb : verbs()) {
        if (!verb.name.starts_with(first_word)) continue;
        if (verb.group != group) out += fmt::format("\n{}:\n", verb.group);
        group = verb.group;
        out += fmt::format("  {:<20} {}\n", verb.name, verb.summary);
    }
    out +=
        "\nOptions:\n"
        "  --json         print JSON\n"
        "  --socket PATH  talk to pmosd over this private socket\n"
        "  --bus          talk to pmosd over the system bus\n"
        "  -h, --help     this text; after a verb, the verb's\n"
        "  --version      the same as the verb 'version'\n"
        "\nExit statuses and examples are in pmosctl(1).\n";
    return out;
}

std::unexpected<Error> unknown_verb(const std::string& word) {
    std::vector<std::string_view> names;
    for (const auto& verb : verbs()) names.push_back(verb.name);
    const auto nearest = policy::nearest(word, names);
    return fail(Code::usage, fmt::format("there is no verb '{}'", word), "",
                nearest.empty() ? "'pmosctl --help' lists the verbs"
                                : fmt::format("did you mean 'pmosctl {}'?", nearest));
}

bool asks_for_help(std::string_view word) {
    return word == "-h" || word == "--help" || word == "help";
}

// The first word of verbs that have two.
bool is_family(const std::string& word) {
    return std::ranges::any_of(verbs(),
                               [&](const Verb& verb) { return verb.name.starts_with(word + " "); });
}

// Options before the verb belong to it as well: they are moved behind it.
struct Split {
    const Verb* verb = nullptr;  // nullptr: the verbs of this first word are asked for
    std::string family;
    Args options;
    Args command;
};

Result<Split> split(Args args) {
    Split out;
    std::size_t at = 0;
    while (at < args.size() && args[at].starts_with('-')) {
        if (args[at] == "--socket" && at + 1 < args.size()) out.options.push_back(args[at++]);
        out.options.push_back(args[at++]);
    }
    if (at == args.size())
        return fail(Code::usage, "no verb given", "", "'pmosctl --help' lists the verbs");
    std::string word = args[at++];
    if (is_family(word)) {
        if (at == args.size())
            return fail(Code::usage, fmt::format("'{}' needs a second word", word), "",
                        fmt::format("see 'pmosctl {} --help'", word));
        out.family = word;
        if (asks_for_help(args[at])) return out;
        word += " " + args[at++];
    }
    const auto found = std::ranges::find(verbs(), word, &Verb::name);
    if (found == verbs().end()) return unknown_verb(word);
    out.verb = &*found;
    std::span<const std::string> rest(args.begin() + static_cast<std::ptrdiff_t>(at), args.end());
    if (out.verb->takes_command) {
        const auto mark = std::ranges::find(rest, "--");
        if (mark != rest.end()) {
            out.command.assign(mark + 1, rest.end());
            rest = rest.first(static_cast<std::size_t>(mark - rest.begin()));
        }
    }
    out.options.insert(out.options.end(), rest.begin(), rest.end());
    return out;
}

Result<int> parse_and_run(Split split) {
    CommandLine line(split.verb->name, split.verb->summary);
    Globals globals;
    line.add_flag("--json", globals.json, "print JSON");
    line.add_option("--socket", globals.target.socket, "talk to pmosd over this private socket");
    line.add_flag("--bus", globals.target.system_bus, "talk to pmosd over the system bus");
    const Action action = split.verb->attach(line);
    PMOS_ASSIGN(const bool parsed, line.parse(std::move(split.options)));
    if (!parsed) {
        put(line.help());
        return 0;
    }
    globals.command = std::move(split.command);
    return action(globals);
}

int status_of(const Verb* verb, const Error& error) {
    if (verb != nullptr && verb->takes_command) {
        if (error.step == "exec" && error.code == Code::not_found) return kExecMissing;
        if (error.step == "exec" && error.code == Code::denied) return kExecDenied;
        return kExecFailed;
    }
    return code_info(error.code).exit_status;
}

}  // namespace

int run(Args args) {
    if (args.size() == 1 && asks_for_help(args[0])) {
        put(help_text());
        return 0;
    }
    if (args.size() == 1 && args[0] == "--version") args[0] = "version";
    auto parts = split(std::move(args));
    if (!parts) {
        print_error(parts.error());
        return code_info(parts.error().code).exit_status;
    }
    const Verb* verb = parts->verb;
    if (verb == nullptr) {
        put(help_text(parts->family + " "));
        return 0;
    }
    const auto status = parse_and_run(std::move(*parts));
    if (status) return *status;
    print_error(status.error());
    return status_of(verb, status.error());
}

}  // namespace pmos::cli
