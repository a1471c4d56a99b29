// daemon: what the modem's broker has to know of the policy and of the modes. Pure.
#include "runtime/daemon/modem_table.h"

#include <algorithm>

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
}

}  // namespace

modem::Table modem_table(const Modes& modes, const policy::PolicySet& policy) {
    modem::Table table;
    table.emergency = policy.emergency_numbers;
    bool known = true;
    for (const auto& [name, mode] : modes) {
        modem::ModeRights rights;
        rights.name = name;
        add_rights(*mode, rights);
        rights.foreground = mode->foreground && mode->alive() && !mode->shut();
        rights.running = mode->alive();
        const auto found = std::ranges::find(policy.modes, name, &policy::ModePolicy::mode);
        if (found != policy.modes.end()) {
            const auto& profile = found->profile ? found->profile : found->disputed;
            known = known && profile != nullptr;
            if (profile) {
                rights.numbers = profile->modem.numbers;
                rights.lines = profile->modem.lines;
                if (profile->modem.rest) table.fallback = name;
            }
        }
        table.modes.push_back(std::move(rights));
    }
    if (known) return table;
    table.fallback.clear();
    for (auto& rights : table.modes) rights.foreground = false;
    return table;
}

}  // namespace pmos::daemon
