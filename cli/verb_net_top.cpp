// cli: net top: whom the modes speak with, and how much.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/live_view.h"
#include "cli/mode_info.h"
#include "cli/network_status.h"
#include "cli/network_top.h"
#include "cli/output.h"
#include "cli/verbs_devices.h"
#include "cli/volume_address.h"

namespace pmos::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string rate_words(const std::optional<std::uint64_t>& rate) {
    return rate ? size_words(*rate) + "/s" : "-";
}

void show(const std::vector<NetworkTop>& all, bool rates) {
    Table table{{"MODE", "", "PROTOCOL", "DESTINATION", "CONNECTIONS", "SENT", "RECEIVED"}, {}};
    if (rates) table.header.insert(table.header.end(), {"OUT", "IN"});
    for (const auto& top : all)
        for (const auto& row : top.rows) {
            table.rows.push_back({{printable(top.mode), Style::bold},
                                  {row.direction == "in" ? "from" : "to", Style::dim},
                                  {printable(row.protocol)},
                                  {printable(place_text(row))},
                                  {std::to_string(row.connections)},
                                  {size_words(row.sent)},
                                  {size_words(row.received)}});
            if (!rates) continue;
            for (const auto& rate : {row.sent_rate, row.received_rate})
                table.rows.back().push_back({rate_words(rate)});
        }
    put(render(table, wants_colour(STDOUT_FILENO)));
    for (const auto& top : all)
        if (top.others != 0)
            put_line(fmt::format("{}: {} more connections to other destinations",
                                 printable(top.mode), top.others));
}

// Of all modes those that have a network now.
Result<std::vector<NetworkTop>> read_all(BusClient& bus, const std::string& only) {
    std::vector<NetworkTop> all;
    if (!only.empty()) {
        PMOS_ASSIGN(auto top, read_network_top(bus, only));
        all.push_back(std::move(top));
        return all;
    }
    PMOS_ASSIGN(const auto modes, read_modes(bus));
    for (const auto& mode : modes) {
        PMOS_ASSIGN(const auto status, read_network_status(bus, mode.name));
        if (status.state != "up") continue;
        auto top = read_network_top(bus, mode.name);
        // It may have ended between the two.
        if (!top && top.error().code == Code::not_running) continue;
        if (!top) return fail(std::move(top.error()));
        all.push_back(std::move(*top));
    }
    return all;
}

Result<> draw(const Globals& globals, BusClient& bus, const std::string& only, TopRates* rates) {
    PMOS_ASSIGN(auto all, read_all(bus, only));
    if (rates != nullptr) rates->add_to(all, TopRates::Clock::now());
    if (!globals.json) {
        show(all, rates != nullptr);
        return {};
    }
    Json json = Json::array();
    for (const auto& top : all) json.push_back(top_json(top));
    put_line(json.dump(2, ' ', false, Json::error_handler_t::replace));
    return {};
}

Result<int> top(const Globals& globals, const std::string& only, bool watch) {
    TopRates rates;
    if (watch)
        return live_view(globals, [&](BusClient& bus) { return draw(globals, bus, only, &rates); });
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(draw(globals, bus, only, nullptr));
    return 0;
}

}  // namespace

Action attach_net_top(CommandLine& line) {
    auto mode = std::make_shared<std::string>();
    line.add_option("MODE", *mode, "this mode only");
    const auto watch = add_watch_option(line);
    return [=](const Globals& globals) { return top(globals, *mode, *watch); };
}

}  // namespace pmos::cli
