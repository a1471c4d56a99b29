// cli: the answer of pmosd to how the network of a mode does.
#include "cli/network_status.h"

#include <fmt/format.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "cli/mode_info.h"
#include "cli/output.h"
#include "runtime/daemon/bus_names.h"

namespace pmos::cli {
namespace {

int read_peers(sd_bus_message* m, std::vector<NetworkPeer>& out) {
    const char *key = nullptr, *endpoint = nullptr;
    std::uint64_t handshake = 0, received = 0;
    int r = sd_bus_message_enter_container(m, 'a', "(sstt)");
    while (r >= 0 &&
           (r = sd_bus_message_read(m, "(sstt)", &key, &endpoint, &handshake, &received)) > 0)
        out.push_back({key, endpoint, handshake, received});
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

}  // namespace

Address network_address(const std::string& mode) {
    return {mode_address(mode).path, bus::kNetworkInterface};
}

Result<NetworkStatus> read_network_status(BusClient& bus, const std::string& mode) {
    PMOS_ASSIGN(const auto answer, bus.call(network_address(mode), "Status"));
    NetworkStatus status;
    status.mode = mode;
    const char *zone = nullptr, *state = nullptr, *interface = nullptr, *why = nullptr;
    PMOS_TRY(read(answer, "sssstttt", &zone, &state, &interface, &why, &status.received,
                  &status.sent, &status.spent, &status.volume));
    status.zone = zone;
    status.state = state;
    status.interface = interface;
    status.why = why;
    if (const int r = read_peers(answer.get(), status.peers); r < 0)
        return fail(bus_errno(r, "cannot read pmosd's answer"));
    return status;
}

nlohmann::ordered_json network_json(const NetworkStatus& status) {
    auto peers = nlohmann::ordered_json::array();
    for (const auto& peer : status.peers)
        peers.push_back({{"publicKey", peer.key},
                         {"endpoint", peer.endpoint},
                         {"handshake", peer.handshake},
                         {"received", peer.received}});
    nlohmann::ordered_json json{{"mode", status.mode},   {"zone", status.zone},
                                {"state", status.state}, {"interface", status.interface},
                                {"why", status.why},     {"received", status.received},
                                {"sent", status.sent},   {"peers", peers}};
    if (status.volume != 0) json["today"] = {{"spent", status.spent}, {"volume", status.volume}};
    return json;
}

std::string handshake_words(const NetworkPeer& peer) {
    if (peer.handshake == 0) return "no handshake yet";
    const auto now = static_cast<std::uint64_t>(std::time(nullptr));
    return fmt::format("handshake {} ago",
                       duration(now > peer.handshake ? now - peer.handshake : 0));
}

}  // namespace pmos::cli
