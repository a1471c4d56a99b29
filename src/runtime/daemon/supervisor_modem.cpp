// daemon: what the modem's broker is told, and what comes of calls and messages. Hears no number
// and no text: those are between the broker and the mode.
#include <algorithm>

#include "runtime/daemon/hook_runner.h"
#include "runtime/daemon/modem_table.h"
#include "runtime/daemon/supervisor.h"

namespace pmos::daemon {

void Supervisor::begin_modem() {
    modem_ = std::make_unique<ModemLink>(
        loop_, paths_.modem(),
        ModemLink::Heard{[this](const std::string& mode) { on_call_came(mode); },
                         // When somebody writes to a mode is its own affair: not for the journal.
                         [this](const std::string& mode) {
                             ctx_.observer.event("message-came", mode, {}, Audience::bus);
                         },
                         [this](const std::vector<std::string>& modes) { on_call(modes); }});
    tell_modem();
}

void Supervisor::tell_modem() {
    if (modem_) modem_->tell(modem_table(modes_, policy_, emergency_numbers_));
}

// Where the kernel cannot take away what a mode has open, standing still is what keeps it from it.
void Supervisor::on_call(const std::vector<std::string>& modes) {
    for (auto& [name, mode] : modes_) {
        const bool now = std::ranges::find(modes, name) != modes.end();
        if (std::exchange(mode->on_call, now) == now) continue;
        mode->call_held = now && !gate_.why_not().empty() && has_foreground_devices(*mode);
        if (mode->call_held && mode->state == State::frozen)
            tell_failure(ctx_.observer, "call-unsettled", name,
                         fail(Code::unsupported,
                              "it stands still, called or not: its devices cannot be taken away",
                              gate_.why_not()),
                         Audience::bus);
        switchboard_.settle_call(*mode);
        ctx_.observer.mode_changed(*mode);
    }
}

// Whatever the mode is doing: one that is locked or stopped cannot say itself that it is called.
void Supervisor::on_call_came(const std::string& name) {
    const auto found = modes_.find(name);
    if (found == modes_.end()) return;
    Mode& mode = *found->second;
    ctx_.observer.event("call-came", name, {{"state", std::string(state_name(mode.state))}},
                        Audience::bus);
    run_hooks(ctx_, mode, policy::HookPoint::modem_call, [this, &mode](Result<> result) {
        tell_failure(ctx_.observer, "hook-failed", mode.name, result, Audience::bus);
    });
}

void Supervisor::add_modem_findings(std::vector<host::Finding>& findings) const {
    const bool wanted = std::ranges::any_of(modes_, [](const auto& entry) {
        const Mode& mode = *entry.second;
        const auto& plan = mode.running ? mode.running->plan : mode.plan;
        return plan && plan->modem.any();
    });
    if (!wanted || !modem_) return;
    if (modem_->why_not().empty())
        findings.push_back({"ok", "modem broker", "pmos-modem goes by the profiles", ""});
    else
        findings.push_back({"warning", "modem broker",
                            "no mode has calls or messages: " + modem_->why_not(),
                            "systemctl enable --now pmos-modem"});
}

}  // namespace pmos::daemon
