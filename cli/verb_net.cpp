// cli: net status and net key. The key itself goes from a descriptor into a pipe, by
// secret_input.cpp, and is printed nowhere.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/consent.h"
#include "cli/mode_info.h"
#include "cli/output.h"
#include "cli/secret_input.h"
#include "cli/show_progress.h"
#include "cli/verbs_devices.h"
#include "cli/volume_address.h"
#include "runtime/daemon/bus_names.h"

namespace pmos::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Peer {
    std::string key, endpoint;
    std::uint64_t handshake = 0, received = 0;
};
struct Status {
    std::string mode, zone, state, why, interface;
    std::uint64_t received = 0, sent = 0;
    std::vector<Peer> peers;
};

Address network_address(const std::string& mode) {
    return {mode_address(mode).path, bus::kNetworkInterface};
}

int read_peers(sd_bus_message* m, std::vector<Peer>& out) {
    const char *key = nullptr, *endpoint = nullptr;
    std::uint64_t handshake = 0, received = 0;
    int r = sd_bus_message_enter_container(m, 'a', "(sstt)");
    while (r >= 0 &&
           (r = sd_bus_message_read(m, "(sstt)", &key, &endpoint, &handshake, &received)) > 0)
        out.push_back({key, endpoint, handshake, received});
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

Result<Status> read_status(BusClient& bus, const std::string& mode) {
    PMOS_ASSIGN(const auto answer, bus.call(network_address(mode), "Status"));
    Status status;
    status.mode = mode;
    const char *zone = nullptr, *state = nullptr, *interface = nullptr, *why = nullptr;
    PMOS_TRY(
        read(answer, "sssstt", &zone, &state, &interface, &why, &status.received, &status.sent));
    status.zone = zone;
    status.state = state;
    status.interface = interface;
    status.why = why;
    if (const int r = read_peers(answer.get(), status.peers); r < 0)
        return fail(bus_errno(r, "cannot read pmosd's answer"));
    return status;
}

Json to_json(const Status& status) {
    Json peers = Json::array();
    for (const auto& peer : status.peers)
        peers.push_back({{"publicKey", peer.key},
                         {"endpoint", peer.endpoint},
                         {"handshake", peer.handshake},
                         {"received", peer.received}});
    return {{"mode", status.mode},           {"zone", status.zone}, {"state", status.state},
            {"interface", status.interface}, {"why", status.why},   {"received", status.received},
            {"sent", status.sent},           {"peers", peers}};
}

std::string handshake_words(const Peer& peer) {
    if (peer.handshake == 0) return "no handshake yet";
    const auto now = static_cast<std::uint64_t>(std::time(nullptr));
    return fmt::format("handshake {} ago",
                       duration(now > peer.handshake ? now - peer.handshake : 0));
}

Style style_of(const std::string& state) {
    if (state == "up") return Style::good;
    return state == "lost" ? Style::bad : Style::dim;
}

void show(const std::vector<Status>& all) {
    Table table{{"MODE", "ZONE", "STATE", "INTERFACE", "RECEIVED", "SENT"}, {}};
    for (const auto& status : all)
        table.rows.push_back({{printable(status.mode), Style::bold},
                              {printable(status.zone)},
                              {printable(status.state), style_of(status.state)},
                              {status.interface.empty() ? "-" : printable(status.interface)},
                              {status.state == "up" ? size_words(status.received) : "-"},
                              {status.state == "up" ? size_words(status.sent) : "-"}});
    put(render(table, wants_colour(STDOUT_FILENO)));
    for (const auto& status : all) {
        if (!status.why.empty())
            put_line(fmt::format("{}: {}", printable(status.mode), printable(status.why)));
        for (const auto& peer : status.peers)
            put_line(fmt::format("{}: peer {} at {}: {}, {} from it", printable(status.mode),
                                 printable(peer.key),
                                 peer.endpoint.empty() ? "no endpoint" : printable(peer.endpoint),
                                 handshake_words(peer), size_words(peer.received)));
    }
}

Result<int> show_status(const Globals& globals, const std::string& only) {
    PMOS_ASSIGN(auto bus, globals.connect());
    std::vector<std::string> names{only};
    if (only.empty()) {
        names.clear();
        PMOS_ASSIGN(const auto modes, read_modes(bus));
        for (const auto& mode : modes) names.push_back(mode.name);
    }
    std::vector<Status> all;
    for (const auto& name : names) {
        PMOS_ASSIGN(auto status, read_status(bus, name));
        all.push_back(std::move(status));
    }
    if (!globals.json) {
        show(all);
        return 0;
    }
    Json json = Json::array();
    for (const auto& status : all) json.push_back(to_json(status));
    put_line(json.dump(2, ' ', false, Json::error_handler_t::replace));
    return 0;
}

struct KeyOptions {
    std::string mode;
    bool make = false, import = false, show = false, yes = false;
    int key_fd = -1;
};

Result<UniqueFd> read_key(const KeyOptions& options) {
    SecretSource source;
    source.pin_fd = options.key_fd;
    if (source.pin_fd < 0 && ::isatty(STDIN_FILENO) == 0) source.pin_fd = STDIN_FILENO;
    if (source.pin_fd >= 0 && ::fcntl(source.pin_fd, F_GETFD) < 0)
        return fail(Code::usage,
                    fmt::format("cannot read the key from descriptor {}", source.pin_fd),
                    "it is not open", "pmosctl net key MODE --import --key-fd 3 3< FILE");
    source.prompt = fmt::format("key of the tunnel of {}", options.mode);
    return obtain_secret(source);
}

// Whether there is one that goes.
Result<bool> may_replace(BusClient& bus, const KeyOptions& options) {
    const auto known = bus.call(network_address(options.mode), "PublicKey");
    if (!known && known.error().code == Code::not_found) return false;
    if (!known) return fail(Error(known.error()));
    PMOS_ASSIGN(const auto key, read_string(*known));
    PMOS_TRY(ask_consent(
        options.yes,
        fmt::format(
            "the tunnel key of '{}' will be gone, and with it what its peers know it by: {}",
            printable(options.mode), printable(key))));
    return true;
}

Result<Message> call_for_key(BusClient& bus, const KeyOptions& options) {
    const Address network = network_address(options.mode);
    if (options.show) return bus.call(network, "PublicKey");
    UniqueFd key;
    if (options.import) {
        PMOS_ASSIGN(key, read_key(options));
    }
    PMOS_ASSIGN(const bool replaces, may_replace(bus, options));
    if (options.import)
        return call_with_progress(bus, options.mode, network, "ImportKey", "hb", key.get(),
                                  int{replaces});
    return call_with_progress(bus, options.mode, network, "MakeKey", "b", int{replaces});
}

Result<int> key(const Globals& globals, const KeyOptions& options) {
    if (options.make + options.import + options.show != 1)
        return fail(Code::usage, "say one of --new, --import and --show");
    if (options.key_fd >= 0 && !options.import) return fail(Code::usage, "--key-fd is of --import");
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto answer, call_for_key(bus, options));
    PMOS_ASSIGN(const auto public_key, read_string(answer));
    if (globals.json)
        put_line(Json{{"mode", options.mode}, {"publicKey", public_key}}.dump());
    else
        put_line(printable(public_key));
    return 0;
}

}  // namespace

Action attach_net_status(CommandLine& line) {
    auto mode = std::make_shared<std::string>();
    line.add_option("MODE", *mode, "this mode only");
    return [mode](const Globals& globals) { return show_status(globals, *mode); };
}

Action attach_net_key(CommandLine& line) {
    const auto options = std::make_shared<KeyOptions>();
    line.add_option("MODE", options->mode, "the mode").required();
    line.add_flag("--new", options->make, "make a new one");
    line.add_flag("--import", options->import, "take the one that is read, a line of base64");
    line.add_flag("--show", options->show, "print the public key of the one that is there");
    line.add_option("--key-fd", options->key_fd, "read it from this open descriptor")
        .not_negative();
    line.add_flag("--yes", options->yes, "do not ask whether one may go");
    return [options](const Globals& globals) { return key(globals, *options); };
}

}  // namespace pmos::cli
