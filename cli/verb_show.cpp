// cli: the verbs that look: status, list, inspect, doctor, version. They change nothing.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/live_view.h"
#include "cli/mode_info.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "runtime/daemon/bus_names.h"

namespace pmos::cli {
namespace {

using Json = nlohmann::ordered_json;

// Text of others may hold bytes that are no UTF-8: they must not end the program.
std::string dump(const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::uint64_t uptime_s(const ModeInfo& mode) {
    const std::uint64_t now = boottime_us();
    if (mode.started_at_us == 0 || mode.started_at_us > now) return 0;
    return (now - mode.started_at_us) / 1'000'000;
}

// Seconds for which a finger is enough.
std::uint64_t fingerprint_left_s(const ModeInfo& mode) {
    const std::uint64_t now = boottime_us();
    return mode.fingerprint_until_us <= now ? 0 : (mode.fingerprint_until_us - now) / 1'000'000;
}

Json to_json(const ModeInfo& mode) {
    return Json{
        {"mode", mode.name},
        {"state", mode.state},
        {"recording", mode.recording},
        {"onCall", mode.on_call},
        {"usesMicrophone", mode.uses_microphone},
        {"usesLoudspeaker", mode.uses_loudspeaker},
        {"notifications", mode.notifications},
        {"foreground", mode.foreground},
        {"locked", mode.locked},
        {"lockedBy", mode.locked_by},
        {"fingerprintFor", fingerprint_left_s(mode)},
        {"suspended", mode.suspended},
        {"provisioned", mode.provisioned},
        {"autostart", mode.autostart},
        {"needsSecret", mode.needs_secret},
        {"failures", mode.failures},
        {"retryAfter", mode.retry_after_s == bus::kNever ? Json() : Json(mode.retry_after_s)},
        {"pid", mode.pid},
        {"startedAt", mode.started_at_us},
        {"uptime", uptime_s(mode)},
        {"exitStatus", mode.exit_status},
        {"reason", mode.reason},
        {"file", mode.file},
        {"planDigest", mode.plan_digest}};
}

Style style_of_state(std::string_view state) {
    if (state == "running") return Style::good;
    if (state == "failed" || state == "disabled") return Style::bad;
    if (state == "starting" || state == "stopping") return Style::warn;
    if (state == "stopped") return Style::dim;
    return Style::plain;
}

// Who looks must not miss that a mode's filter is open.
Cell state_cell(const ModeInfo& mode) {
    if (mode.recording) return {printable(mode.state) + ", RECORDING", Style::bad};
    std::string words = printable(mode.state);
    if (mode.on_call) words += ", on call";
    if (mode.notifications != 0)
        words += fmt::format(", {} notification{}", mode.notifications,
                             mode.notifications == 1 ? "" : "s");
    if (mode.uses_microphone) words += ", microphone";
    return {std::move(words), mode.uses_microphone ? Style::warn : style_of_state(mode.state)};
}

std::string lock_word(const ModeInfo& mode) {
    if (mode.state == "disabled") return "-";
    if (!mode.provisioned) return "not provisioned";
    if (!mode.locked) return "no";
    std::string word = mode.suspended ? "suspended" : mode.locked_by == "freeze" ? "frozen" : "yes";
    if (const auto left = fingerprint_left_s(mode); left > 0)
        word += ", a finger does for " + duration(left);
    if (mode.failures > 0) word += fmt::format(", {} wrong", mode.failures);
    if (mode.retry_after_s == bus::kNever) return word + ", for ever";
    if (mode.retry_after_s > 0) word += ", wait " + duration(mode.retry_after_s);
    return word;
}

Table status_table(const std::vector<ModeInfo>& modes) {
    Table table;
    table.header = {"MODE", "STATE", "FOREGROUND", "LOCKED", "PID", "UPTIME", "REASON"};
    for (const auto& mode : modes) {
        const bool alive = mode.pid != 0;
        table.rows.push_back({{printable(mode.name), Style::bold},
                              state_cell(mode),
                              {mode.foreground ? "*" : "", Style::good},
                              {lock_word(mode), Style::plain},
                              {alive ? fmt::format("{}", mode.pid) : "-", Style::plain},
                              {alive ? duration(uptime_s(mode)) : "-", Style::plain},
                              {printable(mode.reason), Style::bad}});
    }
    return table;
}

Result<void> print_status(const Globals& globals, BusClient& bus, const std::string& only) {
    PMOS_ASSIGN(auto modes, read_modes(bus));
    if (!only.empty()) {
        std::erase_if(modes, [&](const ModeInfo& mode) { return mode.name != only; });
        if (modes.empty())
            return fail(Code::unknown_mode, fmt::format("there is no mode '{}'", only), "",
                        "'pmosctl list' names the modes");
    }
    if (globals.json) {
        Json array = Json::array();
        for (const auto& mode : modes) array.push_back(to_json(mode));
        put_line(dump(array));
    } else if (modes.empty()) {
        put_line("no modes: there is no profile that names one");
    } else {
        put(render(status_table(modes), wants_colour(STDOUT_FILENO)));
    }
    return {};
}

Result<int> status(const Globals& globals, const std::string& only, bool watch) {
    const auto print = [&](BusClient& bus) { return print_status(globals, bus, only); };
    if (watch) return live_view(globals, print);
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(print(bus));
    return 0;
}

Result<int> list(const Globals& globals) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto modes, read_modes(bus));
    Json array = Json::array();
    for (const auto& mode : modes) {
        if (globals.json) array.push_back(mode.name);
        if (!globals.json) put_line(printable(mode.name));
    }
    if (globals.json) put_line(dump(array));
    return 0;
}

Result<int> inspect(const Globals& globals, const std::string& mode) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto answer, bus.call(mode_address(mode), "Inspect"));
    PMOS_ASSIGN(const auto text, read_string(answer));
    const auto json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) return fail(Code::failed, "pmosd's answer is not JSON");
    put_line(dump(json));
    return 0;
}

struct Finding {
    std::string severity, subject, message, hint;
};

Result<std::vector<Finding>> read_findings(const Message& m) {
    std::vector<Finding> findings;
    int r = sd_bus_message_enter_container(m.get(), 'a', "(ssss)");
    while (r > 0) {
        const char *severity = nullptr, *subject = nullptr, *message = nullptr, *hint = nullptr;
        r = sd_bus_message_read(m.get(), "(ssss)", &severity, &subject, &message, &hint);
        if (r > 0) findings.push_back({severity, subject, message, hint});
    }
    if (r < 0) return fail(bus_errno(r, "cannot read pmosd's answer"));
    return findings;
}

Style style_of_severity(std::string_view severity) {
    if (severity == "ok") return Style::good;
    if (severity == "warning") return Style::warn;
    if (severity == "error") return Style::bad;
    return Style::plain;
}

void print_findings(const std::vector<Finding>& findings) {
    const bool colour = wants_colour(STDOUT_FILENO);
    Table table;
    table.header = {"FINDING", "SUBJECT", "MESSAGE"};
    for (const auto& f : findings) {
        table.rows.push_back({{printable(f.severity), style_of_severity(f.severity)},
                              {printable(f.subject), Style::bold},
                              {printable(f.message), Style::plain}});
        if (!f.hint.empty())
            table.rows.push_back({{}, {}, {"hint: " + printable(f.hint), Style::dim}});
    }
    put(render(table, colour));
}

Result<int> doctor(const Globals& globals) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto answer, bus.call(manager(), "Doctor"));
    PMOS_ASSIGN(const auto findings, read_findings(answer));
    bool errors = false;
    Json array = Json::array();
    for (const auto& f : findings) {
        errors = errors || f.severity == "error";
        array.push_back({{"severity", f.severity},
                         {"subject", f.subject},
                         {"message", f.message},
                         {"hint", f.hint}});
    }
    if (globals.json) {
        put_line(dump(array));
    } else {
        print_findings(findings);
    }
    return errors ? 1 : 0;
}

Result<std::string> daemon_version(const Globals& globals) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto m, bus.call({bus::kManagerPath, "org.freedesktop.DBus.Properties"},
                                       "Get", "ss", bus::kManagerInterface, "Version"));
    const char* text = nullptr;
    PMOS_TRY(read(m, "v", "s", &text));
    return std::string(text);
}

// Answers without pmosd too: a version is what one asks for when nothing works.
Result<int> version(const Globals& globals) {
    const auto theirs = daemon_version(globals);
    if (globals.json) {
        put_line(dump(Json{{"pmosctl", PMOS_VERSION}, {"pmosd", theirs ? Json(*theirs) : Json()}}));
        return 0;
    }
    put_line(fmt::format("pmosctl {}", PMOS_VERSION));
    put_line(theirs ? fmt::format("pmosd   {}", printable(*theirs))
                    : fmt::format("pmosd   - ({})", printable(theirs.error().message())));
    return 0;
}

}  // namespace

Action attach_status(CommandLine& line) {
    auto only = std::make_shared<std::string>();
    line.add_option("MODE", *only, "only this mode");
    const auto watch = add_watch_option(line);
    return [=](const Globals& globals) { return status(globals, *only, *watch); };
}

Action attach_list(CommandLine&) { return list; }

Action attach_inspect(CommandLine& line) {
    auto mode = std::make_shared<std::string>();
    line.add_option("MODE", *mode, "the mode").required();
    return [mode](const Globals& globals) { return inspect(globals, *mode); };
}

Action attach_doctor(CommandLine&) { return doctor; }

Action attach_version(CommandLine&) { return version; }

}  // namespace pmos::cli
