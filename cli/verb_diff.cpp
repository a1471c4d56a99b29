// cli: policy diff: who gains or loses what from one policy to another.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/policy_input.h"
#include "cli/verbs.h"
#include "policy/names.h"

namespace pmos::cli {
namespace {

using policy::Change;
using policy::Danger;
using policy::Turn;

// As diff(1) has it: whatever the trouble, it is not "they differ".
constexpr int kSame = 0, kDiffer = 1, kTrouble = 2;

struct Options {
    std::string a, b;
    InputTrust trust{{}, PMOS_TRUST_DIR};
};

Style style_of(const Change& change) {
    if (change.turn == Turn::loss) return Style::good;
    if (change.danger >= Danger::serious) return Style::bad;
    return change.danger >= Danger::moderate ? Style::warn : Style::plain;
}

void print_place(std::string_view sign, const policy::Location& at, bool colour) {
    if (!at.file.empty())
        put_line(paint(fmt::format("    {} {}", sign, printable(policy::to_text(at))), Style::dim,
                       colour));
}

void print(const std::vector<Change>& changes, const PolicyInput& a, const PolicyInput& b,
           bool colour) {
    put_line(fmt::format("from {} to {}", printable(a.shown), printable(b.shown)));
    for (const auto& change : changes) {
        constexpr std::string_view kSigns[] = {"+", "-", "~"};
        const auto danger = change.danger == Danger::none
                                ? std::string()
                                : fmt::format("{}: ", word_at(policy::kDangerNames, change.danger));
        put_line(paint(fmt::format("{} {}{}", kSigns[static_cast<std::size_t>(change.turn)], danger,
                                   printable(change.words)),
                       style_of(change), colour));
        print_place("a:", change.a, colour);
        print_place("b:", change.b, colour);
    }
    if (changes.empty()) put_line(paint("they mean the same", Style::good, colour));
}

nlohmann::ordered_json place_json(const policy::Location& at) {
    if (at.file.empty()) return nullptr;
    return {{"file", at.file}, {"line", at.line}, {"column", at.column}, {"pointer", at.pointer}};
}

nlohmann::ordered_json to_json(const std::vector<Change>& changes) {
    auto array = nlohmann::ordered_json::array();
    for (const auto& c : changes)
        array.push_back({{"mode", c.mode},
                         {"kind", word_at(policy::kChangeKindNames, c.kind)},
                         {"turn", word_at(policy::kTurnNames, c.turn)},
                         {"danger", word_at(policy::kDangerNames, c.danger)},
                         {"what", c.what},
                         {"items", c.items},
                         {"words", c.words},
                         {"a", place_json(c.a)},
                         {"b", place_json(c.b)}});
    return array;
}

Result<int> compare(const Globals& globals, const Options& options) {
    PMOS_ASSIGN(const auto a, read_input(globals, options.a, options.trust));
    PMOS_ASSIGN(const auto b, read_input(globals, options.b, options.trust));
    const auto changes = diff_inputs(a, b);
    if (globals.json)
        put_line(
            to_json(changes).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    else
        print(changes, a, b, wants_colour(STDOUT_FILENO));
    if (policy::has_unreadable(changes)) return kTrouble;
    return changes.empty() ? kSame : kDiffer;
}

}  // namespace

Action attach_policy_diff(CommandLine& line) {
    auto options = std::make_shared<Options>();
    line.add_option("A", options->a,
                    "a profile, a directory, a bundle, REV or REV:PATH of git, or 'phone'")
        .required();
    line.add_option("B", options->b, "what it became").required();
    line.add_option("--key", options->trust.keys,
                    "a public key that may have signed a bundle, instead of the phone's");
    line.add_option("--trust", options->trust.directory, "the directory of trusted keys");
    return [options](const Globals& globals) -> Result<int> {
        auto status = compare(globals, *options);
        if (status) return status;
        print_error(status.error());
        return kTrouble;
    };
}

}  // namespace pmos::cli
