// daemon: what the modem's broker has to know of the policy and of the modes. Pure.
#include "runtime/daemon/modem_table.h"

#include <map>
#include <string_view>

#include "policy/names.h"
#include "policy/profile.h"

namespace pmos::daemon {
namespace {

// Of ids the broker needs one range: the first, by which a profile gives them all.
void add_rights(const Mode& mode, modem::ModeRights& rights) {
    const auto& plan = mode.running ? mode.running->plan : mode.plan;
    if (!plan || plan->uid_map.empty()) return;
    rights.id_start = plan->uid_map.front().outside;
    rights.id_count = plan->uid_map.front().count;
    rights.sms = plan->modem.sms;
    rights.voice = plan->modem.voice;
    rights.data = plan->modem.data;
    rights.emergency = plan->modem.emergency;
}

}  // namespace

modem::Table modem_table(const Modes& modes, const policy::PolicySet& policy,
                         std::vector<std::string> emergency_numbers) {
    modem::Table table;
    table.emergency = std::move(emergency_numbers);
    bool known = true;
    std::vector<std::string> rest;
    std::map<std::string_view, const policy::Profile*> profiles;
    for (const auto& one : policy.modes) {
        const auto& profile = one.profile ? one.profile : one.disputed;
        known = known && profile != nullptr;
        if (!profile) continue;
        profiles[one.mode] = profile.get();
        if (profile->modem.rest) rest.push_back(one.mode);
    }
    for (const auto& [name, mode] : modes) {
        // Of a profile that cannot be read that may be any file's.
        if (!policy::is_mode_name(name)) continue;
        modem::ModeRights rights;
        rights.name = name;
        add_rights(*mode, rights);
        rights.running = mode->alive() && !mode->shut();
        rights.foreground = known && mode->foreground && rights.running;
        if (const auto at = profiles.find(name); at != profiles.end()) {
            const auto& modem = at->second->modem;
            rights.numbers = modem.numbers;
            rights.lines = modem.lines;
            rights.access_points = modem.access_points;
        }
        table.modes.push_back(std::move(rights));
    }
    if (known && rest.size() == 1) table.fallback = rest.front();
    return table;
}

}  // namespace pmos::daemon
