// cli: policy install, status, confirm and reject: which policy this phone uses.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/bundle_place.h"
#include "cli/outcome.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace pmos::cli {
namespace {

using Json = nlohmann::ordered_json;

// pmosd gets the open file, and looks at nothing of it before its signature.
Result<int> install(const Globals& globals, const std::string& from) {
    PMOS_ASSIGN(const auto place, parse_place(from));
    PMOS_ASSIGN(const auto fd, open_bundle_at(place));
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto answer, bus.call(manager(), "InstallPolicy", "h", fd.get()));
    PMOS_ASSIGN(const auto label, read_string(answer));
    print_outcome(globals, "", label + ": installed, on trial");
    return 0;
}

Result<Json> policy_status(BusClient& bus) {
    PMOS_ASSIGN(const auto answer, bus.call(manager(), "PolicyStatus"));
    Json out = Json::object();
    int r = sd_bus_message_enter_container(answer.get(), 'a', "{ss}");
    while (r > 0) {
        const char *key = nullptr, *value = nullptr;
        r = sd_bus_message_read(answer.get(), "{ss}", &key, &value);
        if (r > 0) out[key] = value;
    }
    if (r < 0) return fail(bus_errno(r, "cannot read pmosd's answer"));
    return out;
}

Result<int> status(const Globals& globals) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto json, policy_status(bus));
    if (globals.json) {
        put_line(json.dump(2, ' ', false, Json::error_handler_t::replace));
        return 0;
    }
    for (const auto& [key, value] : json.items())
        if (value != "")
            put_line(fmt::format("{:<10} {}", printable(key), printable(value.get<std::string>())));
    return 0;
}

Result<int> simple(const Globals& globals, const char* member, const char* result) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(bus.call(manager(), member));
    print_outcome(globals, "", result);
    return 0;
}

}  // namespace

Action attach_policy_install(CommandLine& line) {
    auto file = std::make_shared<std::string>();
    line.add_option("BUNDLE", *file, "the signed bundle: FILE, or DIR[:TAG] of an OCI layout")
        .required();
    return [file](const Globals& globals) { return install(globals, *file); };
}

Action attach_policy_status(CommandLine&) { return status; }

Action attach_policy_confirm(CommandLine&) {
    return [](const Globals& globals) {
        return simple(globals, "ConfirmPolicy", "the policy is confirmed");
    };
}

Action attach_policy_reject(CommandLine&) {
    return [](const Globals& globals) {
        return simple(globals, "RejectPolicy", "the policy on trial is given up");
    };
}

}  // namespace pmos::cli
