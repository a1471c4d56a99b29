// cli: whom the modes speak with, as pmosd tells it, and how fast.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/bus_client.h"

namespace pmos::cli {

struct TopRow {
    std::string direction, protocol, address, name;
    std::uint16_t port = 0;
    std::uint32_t connections = 0;
    std::uint64_t sent = 0, received = 0;                   // bytes
    std::optional<std::uint64_t> sent_rate, received_rate;  // bytes in a second
};
struct NetworkTop {
    std::string mode;
    std::vector<TopRow> rows;
    std::uint64_t others = 0;  // connections that are in none of them
};

Result<NetworkTop> read_network_top(BusClient& bus, const std::string& mode);
nlohmann::ordered_json top_json(const NetworkTop& top);
// "192.0.2.1:443", "[2001:db8::1]:443", "192.0.2.1" where there is no port; and its name.
std::string place_text(const TopRow& row);

// From one look to the next.
class TopRates {
  public:
    using Clock = std::chrono::steady_clock;
    // Of a row that was there at the last look; all looks are at all modes.
    void add_to(std::vector<NetworkTop>& all, Clock::time_point now);

  private:
    struct Seen {
        std::uint64_t sent = 0, received = 0;
        std::optional<std::uint64_t> sent_rate, received_rate;
    };
    std::map<std::string, Seen> seen_;
    std::optional<Clock::time_point> at_;
};

}  // namespace pmos::cli
