// cli: whom the modes speak with, as pmosd tells it, and how fast.
#include "cli/network_top.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/network_status.h"

namespace pmos::cli {
namespace {

using namespace std::chrono_literals;

// A look that a change has brought about: there is nothing to be said of so short a time.
constexpr auto kLeast = 500ms;

std::string key_of(const NetworkTop& top, const TopRow& row) {
    return fmt::format("{} {} {} {} {}", top.mode, row.direction, row.protocol, row.address,
                       row.port);
}

// Connections that the kernel has forgotten take their bytes with them.
std::uint64_t rate(std::uint64_t before, std::uint64_t now, std::chrono::duration<double> in) {
    return now <= before
               ? 0
               : static_cast<std::uint64_t>(static_cast<double>(now - before) / in.count());
}

}  // namespace

Result<NetworkTop> read_network_top(BusClient& bus, const std::string& mode) {
    PMOS_ASSIGN(const auto answer, bus.call(network_address(mode), "Connections"));
    sd_bus_message* m = answer.get();
    NetworkTop top;
    top.mode = mode;
    const char *direction = nullptr, *protocol = nullptr, *address = nullptr, *name = nullptr;
    TopRow row;
    int r = sd_bus_message_enter_container(m, 'a', "(sssqsutt)");
    while (r >= 0 &&
           (r = sd_bus_message_read(m, "(sssqsutt)", &direction, &protocol, &address, &row.port,
                                    &name, &row.connections, &row.sent, &row.received)) > 0) {
        row.direction = direction;
        row.protocol = protocol;
        row.address = address;
        row.name = name;
        top.rows.push_back(row);
    }
    if (r >= 0) r = sd_bus_message_exit_container(m);
    if (r >= 0) r = sd_bus_message_read(m, "t", &top.others);
    if (r < 0) return fail(bus_errno(r, "cannot read pmosd's answer"));
    return top;
}

nlohmann::ordered_json top_json(const NetworkTop& top) {
    auto rows = nlohmann::ordered_json::array();
    for (const auto& row : top.rows) {
        rows.push_back({{"direction", row.direction},
                        {"protocol", row.protocol},
                        {"address", row.address},
                        {"port", row.port},
                        {"name", row.name},
                        {"connections", row.connections},
                        {"sent", row.sent},
                        {"received", row.received}});
        if (row.sent_rate) rows.back()["sentRate"] = *row.sent_rate;
        if (row.received_rate) rows.back()["receivedRate"] = *row.received_rate;
    }
    return {{"mode", top.mode}, {"destinations", rows}, {"others", top.others}};
}

std::string place_text(const TopRow& row) {
    std::string text = row.address;
    if (row.port != 0)
        text = row.address.contains(':') ? fmt::format("[{}]:{}", row.address, row.port)
                                         : fmt::format("{}:{}", row.address, row.port);
    return row.name.empty() ? text : fmt::format("{} ({})", row.name, text);
}

void TopRates::add_to(std::vector<NetworkTop>& all, Clock::time_point now) {
    const bool soon = at_ && now - *at_ < kLeast;
    std::map<std::string, Seen> next;
    for (auto& top : all)
        for (auto& row : top.rows) {
            const auto key = key_of(top, row);
            Seen seen{row.sent, row.received, {}, {}};
            if (const auto before = seen_.find(key); before != seen_.end()) {
                if (soon)
                    seen = before->second;
                else {
                    seen.sent_rate = rate(before->second.sent, row.sent, now - *at_);
                    seen.received_rate = rate(before->second.received, row.received, now - *at_);
                }
            }
            row.sent_rate = seen.sent_rate;
            row.received_rate = seen.received_rate;
            next.emplace(key, seen);
        }
    seen_ = std::move(next);
    if (!soon) at_ = now;
}

}  // namespace pmos::cli
