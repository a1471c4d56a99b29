// cli: devices list, who, usage and grants: which devices this phone has, whose they are, who has
// them open.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/drm_usage.h"
#include "cli/live_view.h"
#include "cli/mode_info.h"
#include "cli/open_devices.h"
#include "cli/output.h"
#include "cli/verbs_devices.h"
#include "cli/volume_address.h"
#include "runtime/daemon/bus_names.h"
#include "runtime/host/udev.h"

namespace pmos::cli {
namespace {

using Json = nlohmann::ordered_json;

// Text of others may hold bytes that are no UTF-8: they must not end the program.
std::string dump(const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

struct Device {
    std::string device_class, right, node;
    std::vector<std::pair<std::string, std::string>>
        grants;  // mode, "always", "foreground" or "never"
};

Result<std::vector<Device>> read_devices(BusClient& bus) {
    PMOS_ASSIGN(const auto answer, bus.call(manager(), "Devices"));
    sd_bus_message* m = answer.get();
    std::vector<Device> devices;
    int r = sd_bus_message_enter_container(m, 'a', "(sssa{ss})");
    while (r > 0 && (r = sd_bus_message_enter_container(m, 'r', "sssa{ss}")) > 0) {
        const char *device_class = nullptr, *right = nullptr, *node = nullptr;
        r = sd_bus_message_read(m, "sss", &device_class, &right, &node);
        if (r > 0) devices.push_back({device_class, right, node, {}});
        if (r > 0) r = sd_bus_message_enter_container(m, 'a', "{ss}");
        const char *mode = nullptr, *grant = nullptr;
        while (r > 0 && (r = sd_bus_message_read(m, "{ss}", &mode, &grant)) > 0)
            devices.back().grants.emplace_back(mode, grant);
        if (r >= 0) r = sd_bus_message_exit_container(m);
        if (r >= 0) r = sd_bus_message_exit_container(m);
    }
    if (r < 0) return fail(bus_errno(r, "cannot read pmosd's answer"));
    return devices;
}

// What udev says of it here and now; empty where it says nothing.
host::UdevDevice known(const std::string& node) {
    const auto number = device_number(node);
    if (!number) return {};
    return host::find_device(number->block, number->major, number->minor)
        .value_or(host::UdevDevice{});
}

std::string name_of(const host::UdevDevice& device) {
    if (device.vendor.empty() || device.product.empty()) return device.vendor + device.product;
    return device.vendor + " " + device.product;
}

Result<void> print_list(const Globals& globals, BusClient& bus) {
    PMOS_ASSIGN(const auto devices, read_devices(bus));
    Json array = Json::array();
    Table table{{"CLASS", "RIGHT", "NODE", "DRIVER"}, {}};
    if (!devices.empty())
        for (const auto& [mode, grant] : devices.front().grants)
            table.header.push_back(printable(mode));
    table.header.emplace_back("NAME");
    for (const auto& device : devices) {
        const auto udev = known(device.node);
        Json grants = Json::object();
        std::vector<Cell> row{{printable(device.device_class), Style::bold},
                              {printable(device.right)},
                              {printable(device.node)},
                              {udev.driver.empty() ? "-" : printable(udev.driver)}};
        for (const auto& [mode, grant] : device.grants) {
            grants[mode] = grant;
            row.push_back({printable(grant), grant == "never" ? Style::dim : Style::good});
        }
        row.push_back({printable(name_of(udev))});
        table.rows.push_back(std::move(row));
        array.push_back({{"class", device.device_class},
                         {"right", device.right},
                         {"node", device.node},
                         {"driver", udev.driver},
                         {"vendor", udev.vendor},
                         {"product", udev.product},
                         {"grants", grants}});
    }
    if (globals.json)
        put_line(dump(array));
    else
        put(render(table, wants_colour(STDOUT_FILENO)));
    return {};
}

struct Holder {
    std::string mode;
    const Device* device;
    OpenDevice open;
};

Result<std::string> cgroup_root(BusClient& bus) {
    PMOS_ASSIGN(const auto answer, bus.call({bus::kManagerPath, "org.freedesktop.DBus.Properties"},
                                            "Get", "ss", bus::kManagerInterface, "Cgroup"));
    const char* text = nullptr;
    PMOS_TRY(read(answer, "v", "s", &text));
    return std::string(text);
}

Result<std::vector<Holder>> find_holders(BusClient& bus, const std::vector<Device>& devices) {
    PMOS_ASSIGN(const auto root, cgroup_root(bus));
    PMOS_ASSIGN(const auto modes, read_modes(bus));
    std::vector<DeviceNumber> numbers;
    std::vector<const Device*> there;
    for (const auto& device : devices) {
        const auto number = device_number(device.node);
        if (!number) continue;  // it has gone since
        numbers.push_back(*number);
        there.push_back(&device);
    }
    std::vector<Holder> holders;
    for (const auto& mode : modes)
        for (auto& open : open_devices(root + "/" + mode.name, numbers))
            for (std::size_t i = 0; i < numbers.size(); ++i)
                if (numbers[i] == open.device) holders.push_back({mode.name, there[i], open});
    return holders;
}

std::string how(const OpenDevice& open) {
    std::string text;
    for (const int fd : open.fds) text += (text.empty() ? "fd " : ", ") + std::to_string(fd);
    if (open.mapped) text += text.empty() ? "mapped" : ", mapped";
    return text;
}

Result<void> check_root() {
    if (::geteuid() == 0) return {};
    return fail(Code::denied, "only root sees what another's process has open", "",
                "run it as root");
}

Result<void> print_who(const Globals& globals, BusClient& bus) {
    PMOS_ASSIGN(const auto devices, read_devices(bus));
    PMOS_ASSIGN(const auto holders, find_holders(bus, devices));
    Json array = Json::array();
    Table table{{"MODE", "PID", "PROGRAM", "CLASS", "RIGHT", "NODE", "HELD BY"}, {}};
    for (const auto& [mode, device, open] : holders) {
        array.push_back({{"mode", mode},
                         {"pid", open.pid},
                         {"program", open.program},
                         {"class", device->device_class},
                         {"right", device->right},
                         {"node", device->node},
                         {"fds", open.fds},
                         {"mapped", open.mapped}});
        table.rows.push_back({{printable(mode), Style::bold},
                              {fmt::to_string(open.pid)},
                              {printable(open.program)},
                              {printable(device->device_class)},
                              {printable(device->right)},
                              {printable(device->node)},
                              {how(open)}});
    }
    if (globals.json)
        put_line(dump(array));
    else
        put(render(table, wants_colour(STDOUT_FILENO)));
    return {};
}

// Where a driver counts nothing that is said, instead of a nought.
Result<void> print_usage(const Globals& globals, BusClient& bus) {
    PMOS_ASSIGN(auto devices, read_devices(bus));
    std::erase_if(devices, [](const Device& device) { return device.device_class != "gpu"; });
    PMOS_ASSIGN(const auto holders, find_holders(bus, devices));
    std::map<std::string, std::vector<OpenDevice>> by_mode;
    for (const auto& holder : holders) by_mode[holder.mode].push_back(holder.open);
    Json array = Json::array();
    Table table{{"MODE", "CLIENTS", "MEMORY", "TIME", "DRIVERS"}, {}};
    for (const auto& [mode, open] : by_mode) {
        const DrmUsage used = drm_usage(open);
        const auto told = [&](std::string text) { return used.clients > 0 ? text : "-"; };
        array.push_back({{"mode", mode},
                         {"clients", used.clients},
                         {"memory", used.memory},
                         {"busyNs", used.busy_ns},
                         {"drivers", used.drivers},
                         {"uncounted", used.silent}});
        table.rows.push_back(
            {{printable(mode), Style::bold},
             {fmt::to_string(used.clients)},
             {told(size_words(used.memory))},
             {told(fmt::format("{:.3f} s", static_cast<double>(used.busy_ns) / 1e9))},
             {used.silent > 0 ? fmt::format("{} open, whose driver counts nothing", used.silent)
                              : printable(fmt::format("{}", fmt::join(used.drivers, ", ")))}});
    }
    if (globals.json)
        put_line(dump(array));
    else
        put(render(table, wants_colour(STDOUT_FILENO)));
    return {};
}

using Print = std::function<Result<void>(const Globals&, BusClient&)>;

Result<int> show(const Globals& globals, const Print& print, bool watch) {
    if (watch) return live_view(globals, [&](BusClient& bus) { return print(globals, bus); });
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(print(globals, bus));
    return 0;
}

// Of what others have open.
Result<int> show_held(const Globals& globals, const Print& print, bool watch) {
    PMOS_TRY(check_root());
    return show(globals, print, watch);
}

struct ClassGrant {
    std::string device_class, right, at;
    std::vector<std::string> nodes;
};

Result<std::vector<ClassGrant>> read_grants(BusClient& bus, const std::string& mode) {
    PMOS_ASSIGN(const auto answer, bus.call(manager(), "DeviceGrants", "s", mode.c_str()));
    sd_bus_message* m = answer.get();
    std::vector<ClassGrant> grants;
    int r = sd_bus_message_enter_container(m, 'a', "(sssas)");
    while (r > 0 && (r = sd_bus_message_enter_container(m, 'r', "sssas")) > 0) {
        const char *device_class = nullptr, *right = nullptr, *at = nullptr, *node = nullptr;
        r = sd_bus_message_read(m, "sss", &device_class, &right, &at);
        if (r > 0) grants.push_back({device_class, right, at, {}});
        if (r > 0) r = sd_bus_message_enter_container(m, 'a', "s");
        while (r > 0 && (r = sd_bus_message_read(m, "s", &node)) > 0)
            grants.back().nodes.emplace_back(node);
        if (r >= 0) r = sd_bus_message_exit_container(m);
        if (r >= 0) r = sd_bus_message_exit_container(m);
    }
    if (r < 0) return fail(bus_errno(r, "cannot read pmosd's answer"));
    return grants;
}

Result<void> print_grants(const Globals& globals, BusClient& bus, const std::string& mode) {
    PMOS_ASSIGN(const auto grants, read_grants(bus, mode));
    Json array = Json::array();
    Table table{{"CLASS", "RIGHT", "AT", "NODES"}, {}};
    for (const auto& grant : grants) {
        array.push_back({{"class", grant.device_class},
                         {"right", grant.right},
                         {"at", grant.at},
                         {"nodes", grant.nodes}});
        const auto nodes = fmt::format("{}", fmt::join(grant.nodes, ", "));
        table.rows.push_back(
            {{printable(grant.device_class), Style::bold},
             {printable(grant.right), grant.right == "none" ? Style::dim : Style::plain},
             {grant.at.empty() ? "-" : printable(grant.at)},
             {printable(nodes)}});
    }
    if (globals.json)
        put_line(dump(array));
    else
        put(render(table, wants_colour(STDOUT_FILENO)));
    return {};
}

}  // namespace

Action attach_devices_list(CommandLine& line) {
    return [watch = add_watch_option(line)](const Globals& globals) {
        return show(globals, print_list, *watch);
    };
}

Action attach_devices_who(CommandLine& line) {
    return [watch = add_watch_option(line)](const Globals& globals) {
        return show_held(globals, print_who, *watch);
    };
}

Action attach_devices_usage(CommandLine& line) {
    return [watch = add_watch_option(line)](const Globals& globals) {
        return show_held(globals, print_usage, *watch);
    };
}

Action attach_devices_grants(CommandLine& line) {
    auto mode = std::make_shared<std::string>();
    line.add_option("MODE", *mode, "the mode").required();
    return [mode, watch = add_watch_option(line)](const Globals& globals) {
        return show(
            globals,
            [&mode](const Globals& g, BusClient& bus) { return print_grants(g, bus, *mode); },
            *watch);
    };
}

}  // namespace pmos::cli
