// cli: how the network of a mode does, as pmosd tells it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/bus_client.h"

namespace pmos::cli {

struct NetworkPeer {
    std::string key, endpoint;
    std::uint64_t handshake = 0, received = 0;
};
struct NetworkStatus {
    std::string mode, zone, state, why, interface;
    std::uint64_t received = 0, sent = 0;
    std::uint64_t spent = 0, volume = 0;  // of today, and its limit; 0: none
    std::vector<NetworkPeer> peers;
};

Address network_address(const std::string& mode);
Result<NetworkStatus> read_network_status(BusClient& bus, const std::string& mode);
nlohmann::ordered_json network_json(const NetworkStatus& status);
std::string handshake_words(const NetworkPeer& peer);

}  // namespace pmos::cli
