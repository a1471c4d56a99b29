// daemon: what the panel has to know of the modes. Pure.
#include "runtime/daemon/panel_table.h"

namespace pmos::daemon {
namespace {

panel::Life life_of(const Mode& mode) {
    switch (mode.state) {
        case State::starting:
            return panel::Life::starting;
        case State::running:
            return panel::Life::running;
        case State::frozen:
            return panel::Life::frozen;
        case State::disabled:
        case State::failed:
            return panel::Life::broken;
        default:
            return panel::Life::stopped;
    }
}

}  // namespace

panel::Table panel_table(const Modes& modes, const PanelFacts& facts) {
    panel::Table table;
    for (const auto& [name, mode] : modes) {
        const auto& plan = mode->running ? mode->running->plan : mode->plan;
        panel::ModeRow row;
        row.name = row.title = name;
        if (plan && plan->display.shown) {
            row.title = plan->display.title;
            row.color = plan->display.color;
            row.protocols = plan->display.protocols;
            row.shown = true;
            row.input = plan->display.input;
            row.leases = plan->display.leases;
            row.scrambles = plan->display.scrambles;
        }
        row.run = mode->alive() ? mode->running->started_at : 0;
        row.foreground = mode.get() == facts.front && mode->alive() && !mode->shut();
        row.life = life_of(*mode);
        row.locked = mode->shut() || (mode->locked && mode->needs_secret());
        row.made = mode->provisioned || !plan || plan->volumes.empty();
        if (mode->alive() && plan && plan->network.zone == policy::Zone::tunnel)
            row.tunnel =
                facts.has_lost_network(*mode) ? panel::Tunnel::lost : panel::Tunnel::stands;
        row.listens = mode->records;
        row.calls = mode->on_call;
        if (row.locked && row.made) row.wait_until = facts.wait_until(*mode);
        table.modes.push_back(std::move(row));
    }
    return table;
}

}  // namespace pmos::daemon
