// cli: what the processes of a mode use of GPUs, as the drivers tell in fdinfo. Opens no device.
#include "cli/drm_usage.h"

#include <fmt/format.h>

#include <fstream>
#include <map>
#include <sstream>

namespace pmos::cli {
namespace {

// "512 KiB", "3 MiB", "4096": bytes. Units are powers of two (drm-usage-stats.rst).
std::uint64_t amount(const std::string& text) {
    std::istringstream words(text);
    std::uint64_t value = 0;
    std::string unit;
    if (!(words >> value)) return 0;
    words >> unit;
    if (unit == "KiB") return value << 10;
    return unit == "MiB" ? value << 20 : value;
}

struct Memory {
    bool told = false;
    std::uint64_t bytes = 0;
    void add(std::uint64_t more) {
        told = true;
        bytes += more;
    }
};

}  // namespace

std::optional<DrmClient> drm_client(std::string_view fdinfo) {
    DrmClient client;
    std::string device, number;
    Memory resident, memory, total;
    bool counts = false;
    std::istringstream lines{std::string(fdinfo)};
    for (std::string line; std::getline(lines, line);) {
        const auto colon = line.find(':');
        if (colon == std::string::npos) continue;
        const std::string key = line.substr(0, colon);
        const std::string value = line.substr(colon + 1);
        const auto word = [&] {
            std::string first;
            std::istringstream(value) >> first;
            return first;
        };
        if (key == "drm-driver") client.driver = word();
        if (key == "drm-pdev") device = word();
        if (key == "drm-client-id") number = word();
        if (key.starts_with("drm-resident-")) resident.add(amount(value));
        if (key.starts_with("drm-memory-")) memory.add(amount(value));
        if (key.starts_with("drm-total-")) total.add(amount(value));
        // drm-engine-capacity-NAME is how many engines there are.
        if (key.starts_with("drm-engine-") && !key.starts_with("drm-engine-capacity-")) {
            counts = true;
            client.busy_ns += amount(value);
        }
    }
    for (const auto* one : {&resident, &memory, &total})
        if (one->told) {
            client.memory = one->bytes;
            counts = true;
            break;
        }
    if (client.driver.empty() || number.empty() || !counts) return std::nullopt;
    client.id = fmt::format("{}/{}/{}", client.driver, device, number);
    return client;
}

DrmUsage drm_usage(const std::vector<OpenDevice>& open, const std::string& proc) {
    std::map<std::string, DrmClient> clients;
    DrmUsage usage;
    for (const auto& one : open)
        for (const int fd : one.fds) {
            std::ifstream file(fmt::format("{}/{}/fdinfo/{}", proc, one.pid, fd));
            std::ostringstream text;
            text << file.rdbuf();
            if (auto client = drm_client(text.str()))
                clients.insert_or_assign(client->id, std::move(*client));
            else
                ++usage.silent;
        }
    usage.clients = clients.size();
    for (const auto& [id, client] : clients) {
        usage.memory += client.memory;
        usage.busy_ns += client.busy_ns;
        usage.drivers.insert(client.driver);
    }
    return usage;
}

}  // namespace pmos::cli
