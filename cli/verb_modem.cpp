// cli: modem status, call, hangup and sms: of pmos-modem itself, so that they work without pmosd.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/live_view.h"
#include "cli/outcome.h"
#include "cli/output.h"
#include "cli/verbs_devices.h"
#include "runtime/modem/protocol.h"

namespace pmos::cli {
namespace {

using Json = nlohmann::ordered_json;

const Address kHost{modem::kPath, modem::kHostInterface};

struct LineStatus {
    std::string device, state, network;
    std::uint32_t signal = 0;
    std::vector<std::string> numbers;
    bool calls = false;
};
struct ModeStatus {
    std::string mode;
    bool sms = false, voice = false, data = false;
    std::uint32_t calls = 0, messages = 0;
};
struct Connection {
    std::string mode, line, access_point, interface;
};
struct Status {
    bool present = false;
    std::vector<LineStatus> lines;
    std::vector<ModeStatus> modes;
    std::vector<Connection> connections;
    std::uint32_t nobodys_calls = 0, nobodys_messages = 0;
    std::string phase, number, words;
};

// MMModemState, from -1 on, and MMModemStateFailedReason.
std::string state_words(std::int32_t state, std::uint32_t failed) {
    constexpr std::array kStates{"failed",    "unknown",    "starting",      "locked",
                                 "off",       "going off",  "coming up",     "on",
                                 "searching", "registered", "disconnecting", "connecting",
                                 "connected"};
    constexpr std::array kReasons{"", "", "no SIM", "the SIM is broken"};
    const auto index = static_cast<std::size_t>(state + 1);
    std::string words = index < kStates.size() ? kStates[index] : "unknown";
    if (state == -1 && failed < kReasons.size() && *kReasons[failed] != '\0')
        words += fmt::format(" ({})", kReasons[failed]);
    return words;
}

Result<BusClient> connect_broker(const Globals& globals) {
    BusTarget target = globals.target;
    if (target.socket.empty()) target.socket = modem::kHostSocket;
    auto bus = BusClient::connect(target);
    if (bus) return bus;
    return fail(Code::unreachable, "cannot reach pmos-modem", bus.error().message(),
                ::geteuid() == 0 ? "see: systemctl status pmos-modem" : "run it as root");
}

int read_line(sd_bus_message* m, LineStatus& line) {
    const char *device = nullptr, *name = nullptr, *code = nullptr, *number = nullptr;
    std::int32_t state = 0;
    std::uint32_t failed = 0;
    int r = sd_bus_message_read(m, "siusus", &device, &state, &failed, &name, &line.signal, &code);
    if (r < 0) return r;
    line.device = device;
    line.state = state_words(state, failed);
    line.network = *name != '\0' ? name : code;
    r = sd_bus_message_enter_container(m, 'a', "s");
    while (r >= 0 && (r = sd_bus_message_read(m, "s", &number)) > 0)
        line.numbers.emplace_back(number);
    if (r >= 0) r = sd_bus_message_exit_container(m);
    int calls = 0;
    if (r >= 0) r = sd_bus_message_read(m, "b", &calls);
    line.calls = calls != 0;
    return r;
}

int read_status(sd_bus_message* m, Status& out) {
    int present = 0;
    int r = sd_bus_message_read(m, "b", &present);
    out.present = present != 0;
    if (r >= 0) r = sd_bus_message_enter_container(m, 'a', "(siususasb)");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "siususasb")) > 0) {
        r = read_line(m, out.lines.emplace_back());
        if (r >= 0) r = sd_bus_message_exit_container(m);
    }
    if (r >= 0) r = sd_bus_message_exit_container(m);
    if (r >= 0) r = sd_bus_message_enter_container(m, 'a', "(sbbbuu)");
    const char* mode = nullptr;
    int sms = 0, voice = 0, data = 0;
    std::uint32_t calls = 0, messages = 0;
    while (r >= 0 && (r = sd_bus_message_read(m, "(sbbbuu)", &mode, &sms, &voice, &data, &calls,
                                              &messages)) > 0)
        out.modes.push_back({mode, sms != 0, voice != 0, data != 0, calls, messages});
    if (r >= 0) r = sd_bus_message_exit_container(m);
    if (r >= 0) r = sd_bus_message_enter_container(m, 'a', "(ssss)");
    const char *line = nullptr, *name = nullptr, *interface = nullptr;
    while (r >= 0 && (r = sd_bus_message_read(m, "(ssss)", &mode, &line, &name, &interface)) > 0)
        out.connections.push_back({mode, line, name, interface});
    if (r >= 0) r = sd_bus_message_exit_container(m);
    const char *phase = nullptr, *number = nullptr, *words = nullptr;
    if (r >= 0)
        r = sd_bus_message_read(m, "uusss", &out.nobodys_calls, &out.nobodys_messages, &phase,
                                &number, &words);
    if (r < 0) return r;
    out.phase = phase;
    out.number = number;
    out.words = words;
    return r;
}

Result<Status> ask_status(BusClient& bus) {
    PMOS_ASSIGN(const auto answer, bus.call(kHost, "Status"));
    Status status;
    if (const int r = read_status(answer.get(), status); r < 0)
        return fail(bus_errno(r, "cannot read pmos-modem's answer"));
    return status;
}

std::string dump(const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

Json modes_json(const Status& status) {
    Json modes = Json::array();
    for (const auto& mode : status.modes)
        modes.push_back({{"mode", mode.mode},
                         {"sms", mode.sms},
                         {"voice", mode.voice},
                         {"data", mode.data},
                         {"calls", mode.calls},
                         {"messages", mode.messages}});
    return modes;
}

Json connections_json(const Status& status) {
    Json connections = Json::array();
    for (const auto& one : status.connections)
        connections.push_back({{"mode", one.mode.empty() ? Json(nullptr) : Json(one.mode)},
                               {"line", one.line},
                               {"accessPoint", one.access_point},
                               {"interface", one.interface}});
    return connections;
}

Table connections_table(const Status& status) {
    Table table{{"CONNECTED", "LINE", "ACCESS POINT", "INTERFACE"}, {}};
    for (const auto& one : status.connections)
        table.rows.push_back({one.mode.empty() ? Cell{"(the phone)", Style::dim}
                                               : Cell{printable(one.mode), Style::bold},
                              {printable(one.line)},
                              {printable(one.access_point)},
                              {printable(one.interface)}});
    return table;
}

Table modes_table(const Status& status) {
    Table table{{"MODE", "RIGHTS", "CALLS", "MESSAGES"}, {}};
    for (const auto& mode : status.modes) {
        std::string rights;
        for (const auto& [has, name] :
             {std::pair{mode.sms, " sms"}, {mode.voice, " voice"}, {mode.data, " data"}})
            if (has) rights += name;
        rights = rights.empty() ? "emergency" : rights.substr(1);
        table.rows.push_back({{printable(mode.mode), Style::bold},
                              {rights},
                              {std::to_string(mode.calls)},
                              {std::to_string(mode.messages)}});
    }
    table.rows.push_back({{"(nobody)", Style::dim},
                          {"-"},
                          {std::to_string(status.nobodys_calls)},
                          {std::to_string(status.nobodys_messages)}});
    return table;
}

Result<void> print_status(const Globals& globals, BusClient& bus) {
    PMOS_ASSIGN(const auto status, ask_status(bus));
    if (globals.json) {
        Json lines = Json::array();
        for (const auto& line : status.lines)
            lines.push_back({{"line", line.device},
                             {"state", line.state},
                             {"network", line.network},
                             {"signal", line.signal},
                             {"numbers", line.numbers},
                             {"calls", line.calls}});
        put_line(dump(
            {{"modemManager", status.present},
             {"lines", lines},
             {"modes", modes_json(status)},
             {"connections", connections_json(status)},
             {"nobodys", {{"calls", status.nobodys_calls}, {"messages", status.nobodys_messages}}},
             {"emergency",
              {{"phase", status.phase}, {"number", status.number}, {"words", status.words}}}}));
        return {};
    }
    const bool colour = wants_colour(STDOUT_FILENO);
    if (!status.present) put_line("ModemManager is not running");
    Table lines{{"LINE", "STATE", "NETWORK", "SIGNAL", "NUMBER"}, {}};
    for (const auto& line : status.lines)
        lines.rows.push_back({{printable(line.device), Style::bold},
                              {line.state},
                              {line.network.empty() ? "-" : printable(line.network)},
                              {fmt::format("{} %", line.signal)},
                              {line.numbers.empty() ? "-" : printable(line.numbers.front())}});
    if (!lines.rows.empty()) put(render(lines, colour));
    put(render(modes_table(status), colour));
    if (!status.connections.empty()) put(render(connections_table(status), colour));
    if (status.phase != "none")
        put_line(fmt::format("emergency call to {}: {}", printable(status.number),
                             printable(status.words)));
    return {};
}

Result<int> show_status(const Globals& globals, bool watch) {
    PMOS_ASSIGN(auto bus, connect_broker(globals));
    const auto print = [&globals](BusClient& b) { return print_status(globals, b); };
    if (watch) return live_view_of(globals, bus, print);
    PMOS_TRY(print(bus));
    return 0;
}

Result<int> show_messages(const Globals& globals) {
    PMOS_ASSIGN(auto bus, connect_broker(globals));
    PMOS_ASSIGN(const auto status, ask_status(bus));
    if (globals.json)
        put_line(dump(modes_json(status)));
    else
        put(render(modes_table(status), wants_colour(STDOUT_FILENO)));
    return 0;
}

// Tells each phase as a line of its own, until the call has ended.
struct Following {
    bool json = false, over = false;

    void tell(const std::string& phase, const std::string& number, const std::string& words) {
        over = phase == "ended";
        if (json)
            put_line(Json{{"phase", phase}, {"number", number}, {"words", words}}.dump());
        else
            put_line(fmt::format("{}: {}", printable(number), printable(words)));
    }
};

Result<int> call(const Globals& globals, const std::string& number, bool wait) {
    PMOS_ASSIGN(auto bus, connect_broker(globals));
    Following following{globals.json};
    PMOS_TRY(bus.listen(modem::kPath, modem::kHostInterface, "Emergency",
                        [&following](const Message& message) {
                            const char *phase = nullptr, *whom = nullptr, *words = nullptr;
                            if (read(message, "sss", &phase, &whom, &words))
                                following.tell(phase, whom, words);
                        }));
    PMOS_TRY(bus.call(kHost, "Call", "s", number.c_str()));
    if (!wait) return 0;
    if (!globals.json && ::isatty(STDERR_FILENO) == 1)
        fmt::print(stderr, "it goes on without this command; end it with: pmosctl modem hangup\n");
    PMOS_TRY(bus.run_until([&following] { return following.over; }));
    return 0;
}

Result<int> hang_up(const Globals& globals) {
    PMOS_ASSIGN(auto bus, connect_broker(globals));
    PMOS_TRY(bus.call(kHost, "HangUp"));
    print_outcome(globals, "", "hung up");
    return 0;
}

}  // namespace

Action attach_modem_status(CommandLine& line) {
    return [watch = add_watch_option(line)](const Globals& globals) {
        return show_status(globals, *watch);
    };
}
Action attach_modem_sms(CommandLine&) { return show_messages; }
Action attach_modem_hangup(CommandLine&) { return hang_up; }

Action attach_modem_call(CommandLine& line) {
    struct Options {
        std::string number;
        bool no_wait = false;
    };
    const auto options = std::make_shared<Options>();
    line.add_option("NUMBER", options->number, "an emergency number").required();
    line.add_flag("--no-wait", options->no_wait, "do not tell how it goes");
    return [options](const Globals& globals) {
        return call(globals, options->number, !options->no_wait);
    };
}

}  // namespace pmos::cli
