// cli: net status, net trace and net key. The key itself goes from a descriptor into a pipe, by
// secret_input.cpp, and is printed nowhere.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/answer.h"
#include "cli/consent.h"
#include "cli/mode_info.h"
#include "cli/network_status.h"
#include "cli/output.h"
#include "cli/policy_input.h"
#include "cli/secret_input.h"
#include "cli/show_progress.h"
#include "cli/verbs_devices.h"
#include "cli/volume_address.h"
#include "policy/question_words.h"

namespace pmos::cli {
namespace {

using Json = nlohmann::ordered_json;

Style style_of(const std::string& state) {
    if (state == "up") return Style::good;
    return state == "lost" ? Style::bad : Style::dim;
}

void show(const std::vector<NetworkStatus>& all) {
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
        if (status.volume != 0 && status.state == "up")
            put_line(fmt::format(
                "{}: {} of {} today{}", printable(status.mode), size_words(status.spent),
                size_words(status.volume),
                status.spent < status.volume ? "" : ", and no more until midnight UTC"));
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
    std::vector<NetworkStatus> all;
    for (const auto& name : names) {
        PMOS_ASSIGN(auto status, read_network_status(bus, name));
        all.push_back(std::move(status));
    }
    if (!globals.json) {
        show(all);
        return 0;
    }
    Json json = Json::array();
    for (const auto& status : all) json.push_back(network_json(status));
    put_line(json.dump(2, ' ', false, Json::error_handler_t::replace));
    return 0;
}

// Whether the policy lets it through, and whether there is a network for it now.
Result<int> trace(const Globals& globals, const std::string& name, const std::string& target) {
    PMOS_ASSIGN(const auto phone, read_input(globals, std::string(kPhoneWord), {}));
    PMOS_ASSIGN(const auto mode, find_mode(phone.policy, name));
    const std::vector<std::string> words{"connect", target};
    PMOS_ASSIGN(const auto asked, policy::parse_question(words, {}));
    PMOS_ASSIGN(const auto answer, answer_for(phone.policy, mode, asked.question));
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto status, read_network_status(bus, name));
    if (globals.json) {
        put_line(
            Json{{"answer", answer_json(name, answer)}, {"network", network_json(status)}}.dump(
                2, ' ', false, Json::error_handler_t::replace));
        return 0;
    }
    put(answer_text(name, answer, phone.policy, wants_colour(STDOUT_FILENO)));
    show({status});
    return 0;
}

struct KeyOptions {
    std::string mode, peer;  // peer: whose preshared key is meant
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
    source.prompt = options.peer.empty()
                        ? fmt::format("key of the tunnel of {}", options.mode)
                        : fmt::format("preshared key of {} and {}", options.mode, options.peer);
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
    // Nobody can tell whether there is one of a peer but who would keep it.
    if (!options.peer.empty())
        return call_with_progress(bus, options.mode, network, "ImportPresharedKey", "shb",
                                  options.peer.c_str(), key.get(), int{options.yes});
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
    if (!options.peer.empty() && !options.import)
        return fail(Code::usage, "a preshared key is imported",
                    "both ends have the same one, so one of them makes it",
                    "wg genpsk at the other end, and here --peer KEY --import");
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

Action attach_net_trace(CommandLine& line) {
    const auto mode = std::make_shared<std::string>(), target = std::make_shared<std::string>();
    line.add_option("MODE", *mode, "the mode").required();
    line.add_option("DESTINATION", *target, "ADDRESS:PORT[/PROTOCOL]").required();
    return [=](const Globals& globals) { return trace(globals, *mode, *target); };
}

Action attach_net_key(CommandLine& line) {
    const auto options = std::make_shared<KeyOptions>();
    line.add_option("MODE", options->mode, "the mode").required();
    line.add_flag("--new", options->make, "make a new one");
    line.add_flag("--import", options->import, "take the one that is read, a line of base64");
    line.add_flag("--show", options->show, "print the public key of the one that is there");
    line.add_option("--peer", options->peer,
                    "with --import: the preshared key with the peer of this public key")
        .not_empty();
    line.add_option("--key-fd", options->key_fd, "read it from this open descriptor")
        .not_negative();
    line.add_flag("--yes", options->yes, "do not ask whether one may go");
    return [options](const Globals& globals) { return key(globals, *options); };
}

}  // namespace pmos::cli
