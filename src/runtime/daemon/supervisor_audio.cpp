// daemon: who records and who plays, as far as others are to know.
#include <algorithm>

#include "runtime/daemon/supervisor.h"

namespace pmos::daemon {

void Supervisor::on_sound(const audio::Users& users) {
    const auto is_in = [](const std::vector<std::string>& names, const std::string& name) {
        return std::ranges::find(names, name) != names.end();
    };
    for (auto& [name, mode] : modes_) {
        const bool records = is_in(users.recording, name), plays = is_in(users.playing, name);
        if (mode->records == records && mode->plays == plays) continue;
        mode->records = records;
        mode->plays = plays;
        ctx_.observer.mode_changed(*mode);
    }
}

// They stay, as the modem's do: a start makes what is missing, and says what cannot be.
void Supervisor::make_audio_places() const {
    for (const auto& [name, mode] : modes_)
        if (mode->plan && mode->plan->audio.any())
            static_cast<void>(make_audio_place(paths_, name));
}

void Supervisor::add_audio_findings(std::vector<host::Finding>& findings) const {
    const bool wanted = std::ranges::any_of(modes_, [](const auto& entry) {
        return entry.second->plan && entry.second->plan->audio.any();
    });
    if (!wanted) return;
    const std::string why = audio_.why_not();
    if (why.empty())
        findings.push_back({"ok", "sound broker", "pmos-audio goes by the profiles", ""});
    else
        findings.push_back({"warning", "sound broker", "no mode has sound: " + why,
                            "see: systemctl status pmos-audio pmos-phone-audio"});
}

}  // namespace pmos::daemon
