// cli: policy score: how exposed each mode is, in one table.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/policy_files.h"
#include "cli/verbs.h"
#include "policy/question.h"
#include "policy/score.h"

namespace pmos::cli {
namespace {

void print(const std::string& mode, const policy::Score& score, bool colour) {
    const auto style = score.word() == "low"      ? Style::good
                       : score.word() == "medium" ? Style::warn
                                                  : Style::bad;
    put_line(fmt::format("{}: {:.1f} of 10, {}", mode, score.of_ten(),
                         paint(score.word(), style, colour)));
    Table table{{"WHAT", "EXPOSURE", "STATE", "LINE"}, {}};
    for (const auto& row : score.rows)
        table.rows.push_back({{std::string(row.what)},
                              {fmt::format("{} of {}", row.points, row.most),
                               row.points == 0              ? Style::good
                               : row.points * 2 >= row.most ? Style::bad
                                                            : Style::plain},
                              {printable(row.state)},
                              {printable(policy::to_text(row.at))}});
    put(render(table, colour));
}

nlohmann::ordered_json to_json(const std::string& mode, const policy::Score& score) {
    auto rows = nlohmann::ordered_json::array();
    for (const auto& row : score.rows)
        rows.push_back({{"what", row.what},
                        {"state", row.state},
                        {"points", row.points},
                        {"most", row.most},
                        {"file", row.at.file},
                        {"line", row.at.line},
                        {"column", row.at.column},
                        {"pointer", row.at.pointer}});
    return {{"mode", mode},
            {"points", score.points},
            {"most", score.most},
            {"exposure", score.word()},
            {"rows", std::move(rows)}};
}

Result<int> policy_score(const Globals& globals, const std::vector<std::string>& paths) {
    PMOS_ASSIGN(const auto policy, check_policy(paths));
    auto array = nlohmann::ordered_json::array();
    int status = 0;
    if (const auto known = all_known(policy); !known) {
        print_error(known.error());
        status = 1;
    }
    for (const auto& mode : policy.modes) {
        if (!mode.profile) {
            print_error(broken_profile(mode));
            status = 1;
            continue;
        }
        const auto compiled = policy::compile(*mode.profile, policy::whole_phone());
        if (!compiled.plan) {
            const auto& faults = compiled.diagnostics;
            const auto first =
                std::ranges::find(faults, policy::Severity::error, &policy::Diagnostic::severity);
            print_error(fail(Code::unsupported, fmt::format("mode '{}' does not start", mode.mode),
                             first->message)
                            .error());
            status = 1;
            continue;
        }
        const auto score = policy::score(*mode.profile, *compiled.plan);
        if (globals.json)
            array.push_back(to_json(mode.mode, score));
        else
            print(mode.mode, score, wants_colour(STDOUT_FILENO));
    }
    if (globals.json) put_line(array.dump(2));
    return status;
}

}  // namespace

Action attach_policy_score(CommandLine& line) {
    auto paths = std::make_shared<std::vector<std::string>>();
    line.add_option("PATH", *paths, "profiles, or directories of them");
    return [paths](const Globals& globals) { return policy_score(globals, *paths); };
}

}  // namespace pmos::cli
