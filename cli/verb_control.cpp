// cli: the verbs that run modes: start, stop, restart, switch, lock, reload.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/outcome.h"
#include "cli/output.h"
#include "cli/show_progress.h"
#include "cli/verbs.h"

namespace pmos::cli {
namespace {

Result<int> start(const Globals& globals, const std::string& mode) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto answer, call_with_progress(bus, mode, mode_address(mode), "Start", ""));
    int started = 0;
    PMOS_TRY(read(answer, "b", &started));
    print_outcome(globals, mode, started != 0 ? "started" : "already running");
    return 0;
}

struct StopOptions {
    std::string mode;
    bool all = false;
    double timeout_s = -1;
};

Result<int> stop(const Globals& globals, const StopOptions& options) {
    if (options.all == !options.mode.empty())
        return fail(Code::usage, options.all ? "--all and a mode exclude each other"
                                             : "say which mode to stop, or --all");
    PMOS_ASSIGN(auto bus, globals.connect());
    if (options.all) {
        PMOS_TRY(bus.call(manager(), "StopAll"));
        print_outcome(globals, "", "all modes stopped");
        return 0;
    }
    const auto to = mode_address(options.mode);
    if (options.timeout_s < 0) {
        PMOS_TRY(bus.call(to, "Stop", "a{sv}", 0));
    } else {
        const auto ms = static_cast<std::uint32_t>(options.timeout_s * 1000);
        PMOS_TRY(bus.call(to, "Stop", "a{sv}", 1, "timeout_ms", "u", ms));
    }
    print_outcome(globals, options.mode, "stopped");
    return 0;
}

// A method without arguments or answer.
Result<int> simple(const Globals& globals, const std::string& mode, const char* member,
                   const char* result) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(bus.call(mode_address(mode), member));
    print_outcome(globals, mode, result);
    return 0;
}

// What pmosd did last, which is this unless somebody else has switched since.
Result<void> print_steps(const Globals& globals, BusClient& bus) {
    PMOS_ASSIGN(const auto answer, bus.call(manager(), "LastSwitch"));
    auto steps = nlohmann::ordered_json::array();
    Table table{{"STEP", "TOOK"}, {}};
    int r = sd_bus_message_enter_container(answer.get(), 'a', "(st)");
    while (r >= 0) {
        const char* name = nullptr;
        std::uint64_t took = 0;
        r = sd_bus_message_read(answer.get(), "(st)", &name, &took);
        if (r <= 0) break;
        steps.push_back({{"step", name}, {"microseconds", took}});
        table.rows.push_back({{name}, {fmt::format("{} us", took)}});
    }
    if (r < 0) return fail(bus_errno(r, "cannot read pmosd's answer"));
    if (globals.json)
        put_line(steps.dump(2));
    else
        put(render(table, wants_colour(STDOUT_FILENO)));
    return {};
}

Result<int> switch_to(const Globals& globals, const std::string& mode, bool none, bool steps) {
    if (none == !mode.empty())
        return fail(Code::usage, none ? "--none and a mode exclude each other"
                                      : "say which mode to switch to, or --none");
    PMOS_ASSIGN(auto bus, globals.connect());
    if (none)
        PMOS_TRY(bus.call(manager(), "Switch", "s", ""));
    else
        PMOS_TRY(call_with_progress(bus, mode, manager(), "Switch", "s", mode.c_str()));
    if (!steps || !globals.json)
        print_outcome(globals, mode, none ? "no mode is in the foreground" : "in the foreground");
    if (steps) PMOS_TRY(print_steps(globals, bus));
    return 0;
}

Result<int> reload(const Globals& globals) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto answer, bus.call(manager(), "Reload"));
    auto changed = nlohmann::ordered_json::array();
    int r = sd_bus_message_enter_container(answer.get(), 'a', "s");
    while (r > 0) {
        const char* name = nullptr;
        r = sd_bus_message_read(answer.get(), "s", &name);
        if (r > 0) changed.push_back(name);
    }
    if (r < 0) return fail(bus_errno(r, "cannot read pmosd's answer"));
    if (globals.json) {
        put_line(changed.dump(2));
    } else if (changed.empty()) {
        put_line("no plan has changed");
    } else {
        for (const auto& name : changed)
            put_line(printable(name.get<std::string>()) + ": plan changed");
    }
    return 0;
}

Result<int> notify(const Globals& globals, const std::string& what) {
    PMOS_ASSIGN(auto bus, globals.connect());
    if (what == "sleep")
        PMOS_TRY(bus.call(manager(), "BeforeSleep"));
    else
        PMOS_TRY(bus.call(manager(), "ScreenLocked", "b", what == "screen-locked" ? 1 : 0));
    print_outcome(globals, "", "what locks then is locked");
    return 0;
}

Action on_one_mode(CommandLine& line, const char* member, const char* result) {
    auto mode = std::make_shared<std::string>();
    line.add_option("MODE", *mode, "the mode").required();
    return [=](const Globals& globals) { return simple(globals, *mode, member, result); };
}

}  // namespace

void print_outcome(const Globals& globals, const std::string& mode, const std::string& result) {
    if (globals.json) {
        nlohmann::ordered_json json;
        if (!mode.empty()) json["mode"] = mode;
        json["result"] = result;
        put_line(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
        return;
    }
    put_line(mode.empty() ? result : fmt::format("{}: {}", printable(mode), result));
}

Action attach_start(CommandLine& line) {
    auto mode = std::make_shared<std::string>();
    line.add_option("MODE", *mode, "the mode").required();
    return [mode](const Globals& globals) { return start(globals, *mode); };
}

Action attach_stop(CommandLine& line) {
    auto options = std::make_shared<StopOptions>();
    line.add_option("MODE", options->mode, "the mode");
    line.add_flag("-a,--all", options->all, "stop every mode and close every volume");
    line.add_option("--timeout", options->timeout_s, "seconds from SIGTERM to SIGKILL")
        .between(0.0, 3600.0);
    return [options](const Globals& globals) { return stop(globals, *options); };
}

Action attach_restart(CommandLine& line) { return on_one_mode(line, "Restart", "restarted"); }

Action attach_switch(CommandLine& line) {
    auto mode = std::make_shared<std::string>();
    auto none = std::make_shared<bool>(false);
    line.add_option("MODE", *mode, "the mode");
    auto steps = std::make_shared<bool>(false);
    line.add_flag("--none", *none, "send every mode to the background");
    line.add_flag("--steps", *steps, "tell how long each step took");
    return [=](const Globals& globals) { return switch_to(globals, *mode, *none, *steps); };
}

Action attach_lock(CommandLine& line) {
    auto mode = std::make_shared<std::string>();
    auto evict = std::make_shared<bool>(false);
    line.add_option("MODE", *mode, "the mode").required();
    line.add_flag("--evict", *evict, "leave nothing of it in memory, whatever its profile says");
    return [=](const Globals& globals) {
        return simple(globals, *mode, *evict ? "Evict" : "Lock", "locked");
    };
}

Action attach_notify(CommandLine& line) {
    auto what = std::make_shared<std::string>();
    line.add_option("WHAT", *what, "screen-locked, screen-unlocked or sleep")
        .required()
        .one_of({"screen-locked", "screen-unlocked", "sleep"});
    return [what](const Globals& globals) { return notify(globals, *what); };
}

Action attach_reload(CommandLine&) { return reload; }

}  // namespace pmos::cli
