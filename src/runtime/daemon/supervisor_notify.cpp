// daemon: how many notifications modes have, as far as others are to know, and for whose sake the
// screen stays on. Hears no text: that is between the broker, the mode and who may read it.
#include <algorithm>

#include "runtime/daemon/supervisor.h"

namespace pmos::daemon {
namespace {

// Of a plan that is run, or would be.
bool any_plan(const Modes& modes, bool (*wanted)(const policy::Session&)) {
    return std::ranges::any_of(modes, [&](const auto& entry) {
        const Mode& mode = *entry.second;
        const auto& plan = mode.running ? mode.running->plan : mode.plan;
        return plan && wanted(plan->session);
    });
}

}  // namespace

void Supervisor::on_notifications(const NotifyLink::Uses& uses) {
    for (auto& [name, mode] : modes_) {
        const auto use = std::ranges::find(uses, name, &notify::ModeUse::name);
        const auto count = use == uses.end() ? 0 : use->count;
        mode->wants_awake = use != uses.end() && use->wants_awake;
        if (std::exchange(mode->notifications, count) != count) ctx_.observer.mode_changed(*mode);
    }
    look_at_idle();
}

// Who is in front and moves; a lock, a freeze and a switch end it, whatever the mode's programs
// still ask for. No clock of pmos looks at it.
void Supervisor::look_at_idle() {
    std::string whose;
    for (const auto& [name, mode] : modes_)
        if (mode->foreground && mode->alive() && mode->state == State::running && !mode->shut() &&
            mode->running->session().idle_inhibit && mode->wants_awake)
            whose = name;
    if (idle_keeper_ != nullptr) idle_keeper_->keep_awake(whose);
}

void Supervisor::set_idle_keeper(IdleKeeper* keeper) {
    idle_keeper_ = keeper;
    look_at_idle();
}

// They stay, as the modem's do: a start makes what is missing, and says what cannot be.
void Supervisor::make_notify_places() const {
    for (const auto& [name, mode] : modes_)
        if (mode->plan && mode->plan->session.has_session_bus())
            static_cast<void>(make_notify_place(paths_, name));
}

void Supervisor::add_notify_findings(std::vector<host::Finding>& findings) const {
    using policy::Session;
    if (!any_plan(modes_, [](const Session& s) { return s.has_session_bus(); })) return;
    if (const std::string why = notify_.why_not(); why.empty())
        findings.push_back({"ok", "notifications", "pmos-notify goes by the profiles", ""});
    else
        findings.push_back({"warning", "notifications", "no mode has notifications: " + why,
                            "systemctl enable --now pmos-notify"});
    if (!any_plan(modes_, [](const Session& s) { return s.idle_inhibit; })) return;
    const std::string why = idle_keeper_ == nullptr ? "pmosd has no system bus, where logind is"
                                                    : idle_keeper_->why_not();
    if (!why.empty())
        findings.push_back({"warning", "idle inhibition", "no mode can keep the screen on: " + why,
                            "install systemd-logind, or write \"idleInhibit\": \"never\""});
}

}  // namespace pmos::daemon
