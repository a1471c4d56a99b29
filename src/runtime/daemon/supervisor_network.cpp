// daemon: the networks of the modes: what is adopted, the keys of their tunnels, and what is told
// of them.
#include <algorithm>

#include "policy/plan_image.h"
#include "runtime/daemon/supervisor.h"
#include "runtime/daemon/tunnel_key.h"
#include "runtime/daemon/volume_job.h"
#include "runtime/launch/client.h"

namespace pmos::daemon {

// One that cannot be taken over is cut off: the broker removes what nobody names.
void Supervisor::adopt_network(Mode& mode) {
    const auto& running = *mode.running;
    if (running.plan && !policy::has_wire(running.plan->network.zone)) return;
    const auto adopted = [&]() -> Result<> {
        if (!running.plan)
            return fail(Code::not_found, "the plan that it runs under cannot be read any more");
        PMOS_ASSIGN(auto net_ns, net_ns_of(running));
        PMOS_ASSIGN(auto plan, launch::seal_plan(policy::encode(*running.plan)));
        network_.adopt(mode.name, std::move(net_ns), std::move(plan));
        return {};
    }();
    tell_failure(ctx_.observer, "network-lost", mode.name, adopted);
}

void Supervisor::tunnel_key(Mode& mode, VolumeCall call, Answer<std::string> answer) {
    if (!mode.plan) return answer(mode.disabled_error());
    auto volume = key_volume(mode.name, *mode.plan);
    if (!volume) return answer(fail(std::move(volume.error())));
    call.volume = volume->name;
    this->volume(mode, std::move(call), [answer = std::move(answer)](Result<Details> told) mutable {
        if (!told) return answer(fail(std::move(told.error())));
        const auto it = std::ranges::find(*told, "publicKey", &Details::value_type::first);
        if (it == told->end())
            return answer(fail(Code::failed, "the volume worker's answer makes no sense"));
        answer(std::move(it->second));
    });
}

void Supervisor::network_status(Mode& mode, Answer<NetworkStatus> answer) {
    network_.status(mode.name, std::move(answer));
}

void Supervisor::network_connections(const Mode& mode, Answer<NetworkConnections> answer) {
    network_.connections(mode.name, std::move(answer));
}

void Supervisor::add_network_findings(std::vector<host::Finding>& findings) const {
    const bool wanted = std::ranges::any_of(modes_, [](const auto& entry) {
        const Mode& mode = *entry.second;
        const auto& plan = mode.running ? mode.running->plan : mode.plan;
        return plan && policy::has_wire(plan->network.zone);
    });
    if (!wanted) return;
    const std::string why = network_.why_not();
    if (why.empty())
        findings.push_back({"ok", "network broker", "pmos-net goes by the profiles", ""});
    else
        findings.push_back({"warning", "network broker", "no mode with a network can start: " + why,
                            "systemctl enable --now pmos-net"});
}

}  // namespace pmos::daemon
