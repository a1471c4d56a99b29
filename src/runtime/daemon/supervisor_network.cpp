// daemon: the networks of the modes: what is adopted, the keys of their tunnels, and what is told
// of them.
#include <algorithm>

#include "runtime/daemon/lock_record.h"
#include "runtime/daemon/supervisor.h"
#include "runtime/daemon/tunnel_key.h"
#include "runtime/daemon/volume_job.h"

namespace pmos::daemon {
namespace {

const policy::TunnelPeer* peer_of(const policy::NetworkPlan& plan, const policy::PublicKey& key) {
    const auto& peers = plan.tunnel.peers;
    const auto it = std::ranges::find(peers, key, &policy::TunnelPeer::public_key);
    return it == peers.end() ? nullptr : &*it;
}

// Of the tunnel that runs, if there is one: its own key, or that of this peer.
bool is_in_use(const Mode& mode, const std::optional<policy::PublicKey>& peer) {
    if (!peer || !has_tunnel(mode)) return !peer;
    const auto* known = peer_of(mode.running->plan->network, *peer);
    return known != nullptr && known->preshared;
}

}  // namespace

// One that cannot be taken over is cut off: of a wire the broker removes what nobody names.
void Supervisor::adopt_network(Mode& mode) {
    const auto& running = *mode.running;
    if (running.plan && !policy::has_wire(running.plan->network.zone)) return;
    // It has none as long as it is locked.
    if (has_tunnel(mode) && read_lock_record(paths_, mode.name)) return;
    auto network = network_of(mode);
    if (!network) {
        tell_failure(ctx_.observer, "network-lost", mode.name, fail(network.error()));
        if (auto net_ns = net_ns_of(running))
            network_.shut(mode.name, std::move(*net_ns), [this, &mode](Result<> gone) {
                tell_failure(ctx_.observer, "network-lost", mode.name, gone);
            });
        return;
    }
    network_.adopt(mode.name, std::move(network->net_ns), std::move(network->plan));
}

void Supervisor::tunnel_key(Mode& mode, VolumeCall call, Answer<std::string> answer) {
    if (!mode.plan) return answer(mode.disabled_error());
    auto volume = key_volume(mode.name, *mode.plan);
    if (!volume) return answer(fail(std::move(volume.error())));
    call.volume = volume->name;
    if (call.peer && !peer_of(mode.plan->network, *call.peer))
        return answer(fail(Code::not_found,
                           "mode '" + mode.name + "' has no peer " + policy::key_text(*call.peer),
                           "", "name it in network/tunnel/peers of its profile first"));
    const bool changes = call.verb != volume::Verb::tunnel_key_show && is_in_use(mode, call.peer);
    this->volume(
        mode, std::move(call),
        [this, &mode, changes, answer = std::move(answer)](Result<Details> told) mutable {
            if (!told) return answer(fail(std::move(told.error())));
            const auto it = std::ranges::find(*told, "publicKey", &Details::value_type::first);
            if (it == told->end())
                return answer(fail(Code::failed, "the volume worker's answer makes no sense"));
            if (!changes) return answer(std::move(it->second));
            use_new_key(mode, [answer = std::move(answer), key = std::move(it->second)](
                                  Result<>) mutable { answer(std::move(key)); });
        });
}

// Its tunnel is made anew, by a mode that has one now.
void Supervisor::use_new_key(Mode& mode, Done done) {
    if (!has_tunnel(mode) || mode.shut() || network_.is_lost(mode.name)) return done({});
    // A tunnel that is being taken over is not made anew at the same time.
    if (!network_.stands(mode.name)) {
        ctx_.observer.event("tunnel-key-unused", mode.name,
                            {{"why", "pmos-net is being told of the mode's network"},
                             {"hint", "pmosctl restart " + mode.name}});
        return done({});
    }
    enqueue(
        mode, "tunnel-reopened",
        [this, &mode](Done job_done) {
            if (mode.shut() || !has_tunnel(mode))
                return job_done(fail(Code::not_running, "the mode does not run any more"));
            reopen_tunnel(ctx_, mode, std::move(job_done));
        },
        std::move(done));
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
