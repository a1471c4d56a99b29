// cli: policy separation: what flows between modes, each flow with the lines that open it.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/map.h"
#include "cli/output.h"
#include "cli/policy_files.h"
#include "cli/verbs.h"
#include "policy/channels.h"
#include "policy/names.h"

namespace pmos::cli {
namespace {

using policy::Access;
using policy::Control;
using policy::Separation;

struct Options {
    std::string path;
    bool all = false;
};

std::string_view kind_name(const Access& access) {
    return policy::word_at(policy::kResourceNames, access.kind);
}

std::string heading(const policy::Channel& c) {
    return fmt::format("{} {} '{}'{}{}", policy::word_at(policy::kControlNames, c.control),
                       policy::word_at(policy::kResourceNames, c.kind), printable(c.resource),
                       c.control == Control::arbitrated ? ", by " + c.by : "",
                       c.enforced ? "" : " (this build does not grant it yet)");
}

void print_channel(const Separation& s, const policy::Channel& channel, bool colour) {
    const auto way = channel_way(s, channel, {" <-> ", " -> "});
    const auto style = channel.control == Control::open ? Style::bad : Style::plain;
    put_line(fmt::format("{}: {}", way, paint(heading(channel), style, colour)));
    for (const auto& [mode, access] : channel.ends) {
        const Access& a = s.access({mode, access});
        put_line(fmt::format("    {}: {} can {} ({})", printable(policy::to_text(a.at)),
                             s.modes[mode].mode, policy::rights_text(a.rights), printable(a.how)));
    }
    for (const auto& consent : channel.consents)
        put_line(fmt::format("    {}: accepted here", printable(policy::to_text(consent))));
}

void print_counters(const Separation& s) {
    std::map<std::string_view, std::vector<std::string_view>> readers;
    for (std::size_t m = 0; m < s.modes.size(); ++m)
        for (const Access* a : s.counters(m)) readers[a->resource].push_back(s.modes[m].mode);
    // Counters with the same readers make one line.
    std::map<std::vector<std::string_view>, std::vector<std::string_view>> lines;
    for (const auto& [counter, modes] : readers) lines[modes].push_back(counter);
    for (const auto& [modes, names] : lines)
        put_line(fmt::format("how busy the machine is, all modes together, {} read{}: {}",
                             fmt::join(modes, ", "), modes.size() == 1 ? "s" : "",
                             fmt::join(names, " ")));
}

void print_reach(const Separation& s, bool colour) {
    for (const auto& mode : s.modes) {
        put_line("");
        put_line(mode.mode + ":");
        Table table{{"KIND", "RESOURCE", "MAY", "BY", "LINE"}, {}};
        for (const auto& a : mode.accesses)
            if (a.kind != policy::Resource::counter)
                table.rows.push_back({{std::string(kind_name(a))},
                                      {printable(a.resource)},
                                      {policy::rights_text(a.rights)},
                                      {printable(a.by.empty() ? a.how : a.by)},
                                      {printable(policy::to_text(a.at))}});
        put(render(table, colour));
    }
}

nlohmann::ordered_json end_json(const Separation& s, const policy::End& end) {
    const Access& a = s.access(end);
    return {{"mode", s.modes[end.mode].mode},
            {"resource", a.resource},
            {"rights", policy::rights_text(a.rights)},
            {"how", a.how},
            {"file", a.at.file},
            {"line", a.at.line},
            {"column", a.at.column},
            {"pointer", a.at.pointer}};
}

nlohmann::ordered_json reach_json(const policy::ModeReach& mode) {
    auto accesses = nlohmann::ordered_json::array();
    for (const auto& a : mode.accesses)
        accesses.push_back({{"kind", kind_name(a)},
                            {"resource", a.resource},
                            {"rights", policy::rights_text(a.rights)},
                            {"by", a.by},
                            {"how", a.how},
                            {"enforced", a.enforced},
                            {"file", a.at.file},
                            {"line", a.at.line},
                            {"pointer", a.at.pointer}});
    return {{"mode", mode.mode}, {"reach", std::move(accesses)}};
}

nlohmann::ordered_json to_json(const Separation& s, bool all) {
    nlohmann::ordered_json out{{"separate", !s.has_open()}};
    auto& flows = out["flows"] = nlohmann::ordered_json::array();
    for (const auto& f : s.flows) {
        const Access &from = s.access(f.from), &to = s.access(f.to);
        flows.push_back({{"kind", kind_name(from)},
                         {"control", policy::word_at(policy::kControlNames, f.control)},
                         {"by", policy::passage_of(s, f).by},
                         {"enforced", from.enforced && to.enforced},
                         {"from", end_json(s, f.from)},
                         {"to", end_json(s, f.to)}});
    }
    auto& indirect = out["indirect"] = nlohmann::ordered_json::array();
    for (const auto& way : s.indirect) {
        auto names = nlohmann::ordered_json::array();
        for (const auto mode : way) names.push_back(s.modes[mode].mode);
        indirect.push_back(std::move(names));
    }
    auto& modes = out["modes"] = nlohmann::ordered_json::array();
    for (const auto& mode : s.modes)
        modes.push_back(all ? reach_json(mode) : nlohmann::ordered_json(mode.mode));
    return out;
}

void print(const Separation& s, bool all, bool colour) {
    std::vector<std::string_view> names;
    for (const auto& mode : s.modes) names.push_back(mode.mode);
    const auto open = std::ranges::count(s.flows, Control::open, &policy::Flow::control);
    put_line(fmt::format("{}: {}", counted(names.size(), "mode"), fmt::join(names, ", ")));
    for (const auto& channel : policy::channels(s)) print_channel(s, channel, colour);
    for (const auto& way : s.indirect) {
        std::vector<std::string_view> steps;
        for (const auto mode : way) steps.push_back(s.modes[mode].mode);
        put_line(fmt::format("{}: by way of the flows above", fmt::join(steps, " -> ")));
    }
    print_counters(s);
    if (all) print_reach(s, colour);
    put_line(open == 0 ? paint("no flow that nobody controls", Style::good, colour)
                       : paint(counted(static_cast<std::uint64_t>(open), "flow") +
                                   " that nobody controls",
                               Style::bad, colour));
}

Result<int> policy_separation(const Globals& globals, const Options& options) {
    std::vector<std::string> paths;
    if (!options.path.empty()) paths.push_back(options.path);
    PMOS_ASSIGN(const auto policy, check_policy(paths));
    PMOS_TRY(all_known(policy));
    PMOS_TRY(none_broken(policy.modes));
    const auto& s = *policy.separation;
    if (globals.json)
        put_line(to_json(s, options.all).dump(2));
    else
        print(s, options.all, wants_colour(STDOUT_FILENO));
    return s.has_open() ? 1 : 0;
}

}  // namespace

Action attach_policy_separation(CommandLine& line) {
    auto options = std::make_shared<Options>();
    line.add_option("DIR", options->path, "the profiles' directory");
    line.add_flag("--all", options->all, "everything that each mode can reach, too");
    return [options](const Globals& globals) { return policy_separation(globals, *options); };
}

}  // namespace pmos::cli
