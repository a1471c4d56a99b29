// cli: policy test: expectations beside the profiles, held against the evaluator and, on a phone,
// against its kernel.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/on_device.h"
#include "cli/output.h"
#include "cli/policy_report.h"
#include "cli/policy_tests.h"
#include "cli/verbs.h"
#include "policy/names.h"

namespace pmos::cli {
namespace {

using policy::Outcome;

struct Options {
    std::string path, format = "text";
    std::vector<std::string> modes;  // empty: all
    bool on_device = false, all = false;
};

struct Counts {
    std::size_t passed = 0, failed = 0, pending = 0, disagree = 0, not_tried = 0, tried = 0;
    struct Away {
        std::string why;
        std::size_t expectations = 0;
    };
    // By mode: what was not tried because it was not up, and what needs it though --mode does not
    // name it.
    std::map<std::string, Away> away, left_out;
    std::size_t not_up = 0, without = 0;

    // What was not tried for want of a mode is no pass, and no failure of the policy either.
    int status() const {
        if (failed > 0 || disagree > 0) return 1;
        return not_up > 0 ? code_info(Code::not_running).exit_status : 0;
    }
};

Counts count(const std::vector<Judged>& results) {
    Counts c;
    for (const auto& r : results) {
        (r.test.outcome == Outcome::passed   ? c.passed
         : r.test.outcome == Outcome::failed ? c.failed
                                             : c.pending)++;
        if (!r.device) continue;
        const auto verdict = r.device->verdict;
        (verdict == DeviceVerdict::agrees      ? c.tried
         : verdict == DeviceVerdict::disagrees ? c.disagree
         : verdict == DeviceVerdict::not_up    ? c.not_up
         : verdict == DeviceVerdict::left_out  ? c.without
                                               : c.not_tried)++;
        if (r.device->mode.empty()) continue;
        auto& away = (verdict == DeviceVerdict::not_up ? c.away : c.left_out)[r.device->mode];
        away.why = r.device->says;
        ++away.expectations;
    }
    c.tried += c.disagree;
    return c;
}

std::string name_of(const Judged& r) {
    const auto& q = r.test.query;
    std::string when;
    if (q.locked) when = ", locked";
    if (!q.foreground.empty() && !q.locked)
        when = fmt::format(", {} in the foreground", q.foreground);
    return fmt::format("{}: {}{}", r.test.mode, policy::question_text(q.question), when);
}

std::string verdict_words(const Judged& r) {
    if (r.test.answer.rule.empty()) return r.test.note;
    return fmt::format("expected {}, is {}", policy::ruling_name(r.test.expectation->is),
                       policy::ruling_name(r.test.answer.ruling));
}

class Text {
  public:
    Text(const PolicyTests& tests, bool colour) : tests_(tests), colour_(colour) {}
    void print(const std::vector<Judged>& results, bool all);

  private:
    void show(const Judged& r) const;
    void place(const policy::Location& at) const;
    void disagreement(const Judged& r) const;
    const PolicyTests& tests_;
    bool colour_;
};

void Text::place(const policy::Location& at) const {
    put_line(fmt::format("    {}:", printable(policy::to_text(at))));
    if (const auto text = tests_.policy.texts.find(at.file); text != tests_.policy.texts.end())
        if (const auto shown = policy::source_excerpt(text->second, at); !shown.empty())
            put_line(printable_lines(shown));
}

void Text::disagreement(const Judged& r) const {
    put_line(fmt::format("    the evaluator says {}, the kernel: {}",
                         policy::ruling_name(r.test.answer.ruling), printable(r.device->says)));
}

void Text::show(const Judged& r) const {
    const bool failed = r.test.outcome == Outcome::failed;
    put_line(fmt::format("{} {}: {}", paint(failed ? "FAIL   " : "DIFFERS", Style::bad, colour_),
                         printable(name_of(r)), printable(verdict_words(r))));
    put_line(fmt::format("    {}", printable(r.test.expectation->why)));
    place(r.test.query.at);
    if (!r.test.answer.why.empty())
        put_line(fmt::format("    {} [{}]", printable(r.test.answer.why), r.test.answer.rule));
    if (!r.test.answer.at.file.empty()) place(r.test.answer.at);
    if (r.device && r.device->verdict == DeviceVerdict::disagrees) disagreement(r);
}

// One line for an expectation that holds, however many questions it asks.
void Text::print(const std::vector<Judged>& results, bool all) {
    for (auto it = results.begin(); it != results.end();) {
        const auto end = std::find_if(it, results.end(), [&](const Judged& r) {
            return r.test.expectation != it->test.expectation;
        });
        std::size_t held = 0;
        std::string pending;
        for (auto r = it; r != end; ++r) {
            const bool differs = r->device && r->device->verdict == DeviceVerdict::disagrees;
            if (r->test.outcome == Outcome::failed || differs)
                show(*r);
            else if (r->test.outcome == Outcome::pending)
                pending = r->test.note;
            else
                ++held;
            if (all && r->device && r->device->verdict == DeviceVerdict::not_tried)
                put_line(fmt::format("        not tried: {}: {}", printable(name_of(*r)),
                                     printable(r->device->says)));
        }
        if (held > 0)
            put_line(fmt::format("{} {} ({})", paint("ok     ", Style::good, colour_),
                                 printable(it->test.expectation->why), held));
        if (!pending.empty())
            put_line(fmt::format("{} {}: {}", paint("pending", Style::warn, colour_),
                                 printable(it->test.expectation->why), printable(pending)));
        it = end;
    }
}

nlohmann::ordered_json place_json(const policy::Location& at) {
    return {{"file", at.file}, {"line", at.line}, {"column", at.column}, {"pointer", at.pointer}};
}

nlohmann::ordered_json to_json(const std::vector<Judged>& results) {
    auto array = nlohmann::ordered_json::array();
    for (const auto& r : results) {
        nlohmann::ordered_json one{
            {"mode", r.test.mode},
            {"question", policy::question_text(r.test.query.question)},
            {"foreground", r.test.query.foreground},
            {"locked", r.test.query.locked},
            {"why", r.test.expectation->why},
            {"expected", policy::ruling_name(r.test.expectation->is)},
            {"verdict",
             r.test.answer.rule.empty() ? "" : policy::ruling_name(r.test.answer.ruling)},
            {"outcome", policy::word_at(policy::kOutcomeNames, r.test.outcome)},
            {"note", r.test.note},
            {"at", place_json(r.test.query.at)},
            {"rule", r.test.answer.rule},
            {"decidedBy", place_json(r.test.answer.at)}};
        if (r.device)
            one["device"] = {{"verdict", policy::word_at(kDeviceVerdictNames, r.device->verdict)},
                             {"says", r.device->says}};
        array.push_back(std::move(one));
    }
    return array;
}

void print_tap(const std::vector<Judged>& results) {
    put_line(fmt::format("TAP version 13\n1..{}", results.size()));
    std::size_t number = 0;
    for (const auto& r : results) {
        const bool differs = r.device && r.device->verdict == DeviceVerdict::disagrees;
        const bool away = r.device && r.device->verdict == DeviceVerdict::not_up;
        const bool skipped = r.device && r.device->verdict == DeviceVerdict::not_tried;
        const bool left_out = r.device && r.device->verdict == DeviceVerdict::left_out;
        const bool passed = r.test.outcome == Outcome::passed;
        const bool good = passed && !differs && !away;
        std::string after;
        if (r.test.outcome == Outcome::pending)
            after = " # TODO " + printable(r.test.note);
        else if (!passed || differs)
            after = ": " + printable(verdict_words(r));
        else if (away)
            after = fmt::format(": not tried, {} is not up", printable(r.device->mode));
        else if (left_out)
            after = fmt::format(" # SKIP not tried, {} is not up and --mode leaves it out",
                                printable(r.device->mode));
        else if (skipped)
            after = " # SKIP not tried on this phone: " + printable(r.device->says);
        put_line(fmt::format("{} {} - {}{}", good ? "ok" : "not ok", ++number,
                             printable(name_of(r)), after));
        if (differs) put_line("# the kernel: " + printable(r.device->says));
    }
}

void print_summary(const Counts& c, bool on_device, bool colour) {
    put_line(fmt::format("{} passed, {} failed, {} pending", c.passed, c.failed, c.pending));
    if (!on_device) return;
    for (const auto& [mode, away] : c.away)
        put_line(fmt::format("{} {}: {} not tried: {}", paint("NOT UP ", Style::bad, colour),
                             printable(mode), away.expectations, printable(away.why)));
    for (const auto& [mode, away] : c.left_out)
        put_line(fmt::format("{} {}: {} not tried: they need it in the foreground, and {}",
                             paint("LEFT OUT", Style::warn, colour), printable(mode),
                             away.expectations, printable(away.why)));
    put_line(fmt::format("on this phone: {} tried, {} disagree, {} not tried, {} of modes not up{}",
                         c.tried, c.disagree, c.not_tried, c.not_up,
                         c.without > 0 ? fmt::format(", {} left out", c.without) : ""));
}

// Nothing was asked. Who reads standard output by a program is told so in its own format.
int say_faults(const PolicyTests& tests, std::string_view format) {
    if (format == "text") {
        put_findings(tests.policy, false);
        return 1;
    }
    put_line(format == "json" ? "[]" : "Bail out! there are errors in the profiles or the tests");
    put_findings(tests.policy, true);
    return 1;
}

Result<std::vector<Judged>> ask_evaluator(const PolicyTests& tests,
                                          const std::vector<std::string>& modes) {
    std::vector<Judged> out;
    for (auto& test : run_policy_tests(tests))
        if (modes.empty() || std::ranges::find(modes, test.mode) != modes.end())
            out.push_back({std::move(test), {}});
    for (const auto& mode : modes) {
        PMOS_TRY(find_mode(tests.policy, mode));
        if (std::ranges::none_of(out, [&](const Judged& r) { return r.test.mode == mode; }))
            return fail(Code::not_found, fmt::format("no expectation is about '{}'", mode));
    }
    return out;
}

Result<int> policy_test(const Globals& globals, const Options& options) {
    const bool json = globals.json || options.format == "json";
    PMOS_ASSIGN(const auto tests, read_policy_tests(options.path));
    if (policy::has_errors(tests.policy.diagnostics))
        return say_faults(tests, json ? "json" : options.format);
    PMOS_ASSIGN(auto results, ask_evaluator(tests, options.modes));
    if (options.on_device) {
        PMOS_ASSIGN(auto bus, globals.connect());
        PMOS_TRY(try_on_device(bus, tests, options.modes, results));
    }
    const auto counts = count(results);
    const bool colour = wants_colour(STDOUT_FILENO);
    if (json)
        put_line(to_json(results).dump(2));
    else if (options.format == "tap")
        print_tap(results);
    else
        Text(tests, colour).print(results, options.all);
    if (!json && options.format == "text") print_summary(counts, options.on_device, colour);
    return counts.status();
}

}  // namespace

Action attach_policy_test(CommandLine& line) {
    auto options = std::make_shared<Options>();
    line.add_option("DIR", options->path,
                    "the profiles' directory, with a directory 'tests' in it");
    line.add_option("-m,--mode", options->modes, "only what is expected of it; may be repeated")
        .repeatable();
    line.add_flag("--on-device", options->on_device,
                  "ask the kernel of this phone too; brings modes to the foreground for it");
    line.add_flag("--all", options->all, "what could not be tried, too");
    line.add_option("--format", options->format, "text, json or tap")
        .one_of({"text", "json", "tap"});
    return [options](const Globals& globals) { return policy_test(globals, *options); };
}

}  // namespace pmos::cli
