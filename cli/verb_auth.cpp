// cli: the verbs that look at who can open a volume: auth list, auth test.
#include <fmt/format.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/details.h"
#include "cli/fingers.h"
#include "cli/outcome.h"
#include "cli/output.h"
#include "cli/show_progress.h"
#include "cli/volume_address.h"
#include "policy/names.h"

namespace pmos::cli {
namespace {

using Json = nlohmann::ordered_json;
// As the fingerprints of bundles: enough for people.
constexpr std::size_t kShownDigits = 16;

struct Way {
    int keyslot = 0;
    Details told;
};

// "keyslot.N.method" of each; a keyslot of two tokens is told twice.
std::vector<Way> ways_of(const Details& details) {
    std::vector<Way> ways;
    for (const auto& [name, value] : details.entries) {
        constexpr std::string_view kPrefix = "keyslot.";
        const auto dot = name.rfind('.');
        if (!name.starts_with(kPrefix) || dot < kPrefix.size()) continue;
        const std::string member = name.substr(dot + 1);
        if (member == "method") ways.push_back({std::atoi(name.c_str() + kPrefix.size()), {}});
        if (!ways.empty()) ways.back().told.entries.emplace_back(member, value);
    }
    return ways;
}

using Fingers = Result<std::vector<std::string>>;

void print_json(const VolumeName& name, const Details& details, const Fingers& fingers) {
    Json json{{"mode", name.mode}, {"name", name.volume}, {"unlock", Json::array()}};
    const std::string unlock = details["unlock"];
    for (const auto method : policy::split_list(unlock)) json["unlock"].push_back(method);
    if (!details["escrow"].empty()) json["escrow"] = details["escrow"];
    json["ways"] = Json::array();
    for (const auto& way : ways_of(details)) {
        Json entry{{"keyslot", way.keyslot}};
        for (const auto& [member, value] : way.told.entries)
            if (member == "allowed")
                entry[member] = value == "yes";
            else
                entry[member] = value;
        json["ways"].push_back(std::move(entry));
    }
    if (fingers)
        json["fingers"] = *fingers;
    else
        json["fingersFault"] = fingers.error().message();
    put_line(json.dump(2, ' ', false, Json::error_handler_t::replace));
}

std::string remark_on(const Way& way, const std::string& wanted_key) {
    if (const std::string key = way.told["key"]; !key.empty())
        return fmt::format("to key {}{}", printable(key.substr(0, kShownDigits)),
                           key == wanted_key ? "" : ", not the profile's");
    if (way.told["allowed"] != "yes") return printable(way.told["refusal"]);
    return printable(way.told["state"]);
}

void print_table(const Details& details, const Fingers& fingers) {
    const auto or_dash = [](const std::string& text) {
        return text.empty() ? "-" : printable(text);
    };
    Table table;
    table.header = {"METHOD", "KEYSLOT", "TOKEN", "SINCE", ""};
    for (const auto& way : ways_of(details)) {
        const bool allowed = way.told["allowed"] == "yes";
        table.rows.push_back(
            {{printable(way.told["method"]), Style::bold},
             {std::to_string(way.keyslot), Style::plain},
             {or_dash(way.told["token"]), Style::plain},
             {or_dash(way.told["since"]), Style::plain},
             {remark_on(way, details["escrow"]), allowed ? Style::plain : Style::bad}});
    }
    if (fingers)
        for (const auto& finger : *fingers)
            table.rows.push_back(
                {{kFingerprint, Style::bold},
                 {"-", Style::plain},
                 {"-", Style::plain},
                 {"-", Style::plain},
                 {printable(finger) + ": opens nothing, see unlockRecent", Style::plain}});
    put(render(table, wants_colour(STDOUT_FILENO)));
    if (!fingers)
        put_line(fmt::format("fingers are not known: {}", printable(fingers.error().message())));
    std::string allowed;
    const std::string unlock = details["unlock"];
    for (const auto method : policy::split_list(unlock))
        allowed += (allowed.empty() ? "" : ", ") + std::string(method);
    put_line(fmt::format("the profile lets open it: {}", printable(allowed)));
}

Result<int> list(const Globals& globals, VolumeName name) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(settle_name(bus, name));
    PMOS_ASSIGN(const auto answer,
                bus.call(volumes_address(name.mode), "ListFactors", "s", name.volume.c_str()));
    PMOS_ASSIGN(const auto details, read_details(answer));
    // Who can open it is told whatever became of the reader.
    const auto fingers = list_fingers(bus, name.mode);
    globals.json ? print_json(name, details, fingers) : print_table(details, fingers);
    return 0;
}

struct TestOptions {
    VolumeName name;
    std::string method;
    SecretOptions secret;
};

Result<int> test(const Globals& globals, TestOptions options) {
    if (options.method == kFingerprint) return test_finger(globals, options.name.mode);
    auto& name = options.name;
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(settle_name(bus, name));
    PMOS_ASSIGN(const auto secret, secret_of(bus, name, options.secret));
    PMOS_ASSIGN(const auto answer,
                call_with_progress(bus, name.mode, volumes_address(name.mode), "TestFactor", "ssh",
                                   name.volume.c_str(), options.method.c_str(), secret.get()));
    PMOS_ASSIGN(const auto told, read_details(answer));
    print_outcome(globals, name.mode,
                  fmt::format("it opens, by '{}' in keyslot {}", printable(told["method"]),
                              printable(told["keyslot"])));
    return 0;
}

}  // namespace

Action attach_auth_list(CommandLine& line) {
    auto name = std::make_shared<VolumeName>();
    add_volume_options(line, *name);
    return [name](const Globals& globals) { return list(globals, *name); };
}

Action attach_auth_test(CommandLine& line) {
    auto options = std::make_shared<TestOptions>();
    line.add_option("MODE", options->name.mode, "the mode").required();
    line.add_option("METHOD", options->method, "this way only");
    line.add_option("--volume", options->name.volume, "its volume; the only one need not be named");
    add_secret_options(line, options->secret, "read the secret from this open descriptor");
    return [options](const Globals& globals) { return test(globals, *options); };
}

}  // namespace pmos::cli
