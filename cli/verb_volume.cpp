// cli: the verbs that look at volumes: volume list, volume info.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/details.h"
#include "cli/mode_info.h"
#include "cli/output.h"
#include "cli/secret_input.h"
#include "cli/verbs.h"
#include "cli/volume_address.h"
#include "runtime/daemon/bus_names.h"

namespace pmos::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

// "keyslot.0.kdf" -> {"keyslots": {"0": {"kdf": ...}}}; numbers are numbers.
Json to_json(const Details& details) {
    constexpr std::array kNumbers{"size",   "used",       "fileSize", "keyBits",   "sectorSize",
                                  "memory", "iterations", "lanes",    "dataOffset"};
    Json out = Json::object();
    for (const auto& [name, value] : details.entries) {
        Json* at = &out;
        std::string rest = name;
        for (auto dot = rest.find('.'); dot != rest.npos; dot = rest.find('.')) {
            std::string key = rest.substr(0, dot);
            if (key == "keyslot" || key == "token") key += "s";
            at = &(*at)[key];
            rest = rest.substr(dot + 1);
        }
        const bool number = std::ranges::find(kNumbers, rest) != kNumbers.end();
        if (number) (*at)[rest] = details.number(name);
        if (!number) (*at)[rest] = value;
    }
    return out;
}

Style style_of(const std::string& state) {
    if (state == "open") return Style::good;
    if (state == "closed" || state == "suspended") return Style::plain;
    return state == "absent" ? Style::dim : Style::bad;
}

Result<int> list(const Globals& globals, const std::string& only) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto modes, read_modes(bus));
    Table table;
    table.header = {"MODE", "VOLUME", "STATE", "SIZE", "CIPHER", "TARGET"};
    Json json = Json::array();
    bool known = only.empty();
    for (const auto& mode : modes) {
        if (!only.empty() && mode.name != only) continue;
        known = true;
        PMOS_ASSIGN(const auto answer, bus.call(volumes_address(mode.name), "List"));
        PMOS_ASSIGN(const auto volumes, read_all_details(answer));
        for (const auto& v : volumes) {
            Json entry{{"mode", mode.name}};
            entry.update(to_json(v));
            json.push_back(std::move(entry));
            const auto size = v.number("fileSize");
            table.rows.push_back({{printable(mode.name), Style::bold},
                                  {printable(v["name"]), Style::plain},
                                  {printable(v["state"]), style_of(v["state"])},
                                  {size == 0 ? "-" : size_words(size), Style::plain},
                                  {printable(v["cipher"]), Style::plain},
                                  {printable(v["target"]), Style::plain}});
        }
    }
    if (!known)
        return fail(Code::unknown_mode, fmt::format("there is no mode '{}'", only), "",
                    "'pmosctl list' names the modes");
    if (globals.json) {
        put_line(dump(json));
    } else if (table.rows.empty()) {
        put_line("no volumes");
    } else {
        put(render(table, wants_colour(STDOUT_FILENO)));
    }
    return 0;
}

std::string sizes_of(const Details& d) {
    if (d["used"].empty()) return size_words(d.number("size"));
    return fmt::format("{}, {} of it used", size_words(d.number("size")),
                       size_words(d.number("used")));
}

std::string keyslot_words(const Details& d, const std::string& slot) {
    const auto of = [&](const char* name) { return d["keyslot." + slot + "." + name]; };
    if (of("kdf").empty()) return "no key derivation";
    std::string out = printable(of("kdf"));
    if (const auto memory = d.number("keyslot." + slot + ".memory"); memory != 0)
        out += ", " + size_words(memory);
    out += fmt::format(", {} passes", printable(of("iterations")));
    if (of("lanes") != "0") out += fmt::format(", {} lanes", printable(of("lanes")));
    return of("priority") == "normal" ? out : out + ", " + printable(of("priority"));
}

void show(const VolumeName& name, const Details& d) {
    const auto line = [](std::string_view key, const std::string& value) {
        if (!value.empty()) put_line(fmt::format("  {:<13} {}", printable(key), value));
    };
    put_line(fmt::format("volume '{}' of mode '{}': {}", printable(name.volume),
                         printable(name.mode), printable(d["state"])));
    for (const char* key : {"why", "source", "uuid"}) line(key, printable(d[key]));
    if (!d["size"].empty()) line("size", sizes_of(d));
    if (!d["cipher"].empty())
        line("cipher", fmt::format("{}, {}-bit key, sectors of {} bytes", printable(d["cipher"]),
                                   printable(d["keyBits"]), printable(d["sectorSize"])));
    line("integrity", printable(d["integrity"]));
    line("flags", printable(d["flags"]));
    if (d["reencryption"] != "none") line("re-encryption", printable(d["reencryption"]));
    for (const auto& [key, value] : d.entries) {
        if (key.starts_with("keyslot.") && key.ends_with(".priority")) {
            const std::string slot = key.substr(8, key.size() - 8 - 9);
            line("keyslot " + slot, keyslot_words(d, slot));
        }
        if (key.starts_with("token.")) line("token " + key.substr(6), printable(value));
    }
}

Result<int> info(const Globals& globals, VolumeName name) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(settle_name(bus, name));
    PMOS_ASSIGN(const auto answer,
                bus.call(volumes_address(name.mode), "Info", "s", name.volume.c_str()));
    PMOS_ASSIGN(const auto details, read_details(answer));
    if (globals.json) {
        Json json{{"mode", name.mode}, {"name", name.volume}};
        json.update(to_json(details));
        put_line(dump(json));
    } else {
        show(name, details);
    }
    return 0;
}

}  // namespace

std::string size_words(std::uint64_t bytes) {
    constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
    const bool whole = value == static_cast<double>(static_cast<std::uint64_t>(value));
    return fmt::format("{:.{}f} {}", value, whole ? 0 : 1, kUnits[unit]);
}

Address volumes_address(const std::string& mode) {
    return {mode_address(mode).path, bus::kVolumesInterface};
}

void add_volume_options(CommandLine& line, VolumeName& name) {
    line.add_option("MODE", name.mode, "the mode").required();
    line.add_option("VOLUME", name.volume, "its volume; the only one need not be named");
}

Result<> settle_name(BusClient& bus, VolumeName& name) {
    if (!name.volume.empty()) return {};
    PMOS_ASSIGN(const auto answer, bus.call(volumes_address(name.mode), "List"));
    PMOS_ASSIGN(const auto volumes, read_all_details(answer));
    if (volumes.size() == 1) {
        name.volume = volumes.front()["name"];
        return {};
    }
    std::string known;
    for (const auto& v : volumes) known += (known.empty() ? "" : ", ") + v["name"];
    return fail(Code::usage, fmt::format("say which volume of '{}' is meant", name.mode), "",
                known.empty() ? "it has none" : "it has: " + known);
}

Result<bool> opens_by_secret(BusClient& bus, const VolumeName& name) {
    PMOS_ASSIGN(const auto answer, bus.call(volumes_address(name.mode), "List"));
    PMOS_ASSIGN(const auto volumes, read_all_details(answer));
    for (const auto& v : volumes)
        if (v["name"] == name.volume) return v["secret"] != "no";
    return true;
}

Result<UniqueFd> secret_of(BusClient& bus, const VolumeName& name, const SecretOptions& options) {
    SecretSource source;
    source.pin_fd = options.pin_fd;
    PMOS_ASSIGN(const bool needed, opens_by_secret(bus, name));
    source.wanted = needed || options.ask;
    source.prompt = fmt::format("PIN for {}", name.mode);
    return obtain_secret(source);
}

Action attach_volume_list(CommandLine& line) {
    auto mode = std::make_shared<std::string>();
    line.add_option("MODE", *mode, "this mode only");
    return [mode](const Globals& globals) { return list(globals, *mode); };
}

Action attach_volume_info(CommandLine& line) {
    auto name = std::make_shared<VolumeName>();
    add_volume_options(line, *name);
    return [name](const Globals& globals) { return info(globals, *name); };
}

}  // namespace pmos::cli
