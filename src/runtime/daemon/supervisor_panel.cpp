// daemon: what a person sees and asks for at the panel.
#include <algorithm>

#include "runtime/daemon/panel_table.h"
#include "runtime/daemon/supervisor.h"

namespace pmos::daemon {
namespace {

// Of what is asked for at the panel; it has no name on a bus.
constexpr const char* kOwner = "pmos-panel";

std::uint64_t boot_seconds() { return boot_time_usec() / 1'000'000U; }

}  // namespace

panel::Table Supervisor::describe_for_panel(const Mode* front) const {
    const auto wait_until = [this](const Mode& mode) -> std::uint64_t {
        const auto wait = standing(mode).wait;
        if (!wait || wait->count() <= 0) return 0;
        return boot_seconds() + static_cast<std::uint64_t>(wait->count());
    };
    auto table = panel_table(
        modes_, {front, wait_until, [this](const Mode& m) { return network_.is_lost(m.name); }});
    const auto& look = facts_.panel_look;
    table.look = {look.language, look.text_percent, look.high_contrast};
    return table;
}

PanelLink::Asks Supervisor::panel_asks() {
    return {[this](const std::string& mode, Done done) { switch_to(mode, std::move(done)); },
            [this](const std::string& name, Done done) {
                auto mode = find(name);
                if (!mode) return done(fail(std::move(mode.error())));
                lock(**mode, std::move(done));
            },
            [this](const std::string& name, UniqueFd secret, Done done) {
                auto mode = find(name);
                if (!mode) return done(fail(std::move(mode.error())));
                unlock(**mode, std::move(secret), false, kOwner,
                       [this, done = std::move(done)](Result<> result) mutable {
                           panel_.look_soon();  // how long to wait may be another
                           done(std::move(result));
                       });
            }};
}

// Of who died nothing is left to show: their programs have lost their windows.
void Supervisor::on_another_panel() {
    for (auto& [name, mode] : modes_)
        if (mode->alive() && mode->running->plan &&
            mode->running->plan->display.when_lost == policy::DisplayLost::restart)
            restart(*mode, [this, mode_name = name](Result<> result) {
                tell_failure(ctx_.observer, "panel-restart-failed", mode_name, result);
            });
}

// They stay, as the modem's do: a start makes what is missing, and says what cannot be.
void Supervisor::make_panel_places() const {
    for (const auto& [name, mode] : modes_)
        if (mode->plan && mode->plan->display.shown)
            static_cast<void>(make_panel_place(paths_, name));
}

void Supervisor::add_panel_findings(std::vector<host::Finding>& findings) const {
    const bool wanted = std::ranges::any_of(modes_, [](const auto& entry) {
        return entry.second->plan && entry.second->plan->display.shown;
    });
    if (!wanted) return;
    if (const std::string why = panel_.why_not(); why.empty())
        findings.push_back({"ok", "panel", "pmos-panel shows the modes", ""});
    else
        findings.push_back(
            {"warning", "panel", "no mode is seen: " + why, "systemctl enable --now pmos-panel"});
}

}  // namespace pmos::daemon
