// daemon: what the network's broker tells of the networks. See network_link.h.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "runtime/daemon/network_link.h"
#include "runtime/network/protocol.h"

namespace pmos::daemon {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookLimit = 5s;

int read_peers(sd_bus_message* m, std::vector<NetworkPeer>& out) {
    const char *key = nullptr, *endpoint = nullptr;
    std::uint64_t handshake = 0, received = 0;
    int r = sd_bus_message_enter_container(m, 'a', "(sstt)");
    while (r >= 0 &&
           (r = sd_bus_message_read(m, "(sstt)", &key, &endpoint, &handshake, &received)) > 0)
        out.push_back({printable(key), printable(endpoint), handshake, received});
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

Result<NetworkStatus> read_status(sd_bus_message* m) {
    NetworkStatus status;
    int r = sd_bus_message_read(m, "ttt", &status.received, &status.sent, &status.spent);
    if (r >= 0) r = read_peers(m, status.peers);
    if (r < 0) return fail(errno_error(-r, "cannot read pmos-net's answer"));
    return status;
}

Result<NetworkConnections> read_connections(sd_bus_message* m) {
    NetworkConnections made;
    const char *direction = nullptr, *protocol = nullptr, *address = nullptr, *name = nullptr;
    NetworkRow row;
    int r = sd_bus_message_enter_container(m, 'a', network::kConnectionsRow);
    while (r >= 0 && (r = sd_bus_message_read(m, network::kConnectionsRow, &direction, &protocol,
                                              &address, &row.port, &name, &row.connections,
                                              &row.sent, &row.received)) > 0) {
        row.direction = printable(direction);
        row.protocol = printable(protocol);
        row.address = printable(address);
        row.name = printable(name);
        made.rows.push_back(row);
    }
    if (r >= 0) r = sd_bus_message_exit_container(m);
    if (r >= 0) r = sd_bus_message_read(m, "t", &made.others);
    if (r < 0) return fail(errno_error(-r, "cannot read pmos-net's answer"));
    return made;
}

}  // namespace

void NetworkLink::hear_refused(sd_bus_message* message) const {
    const char *mode = nullptr, *direction = nullptr, *destination = nullptr, *name = nullptr,
               *reason = nullptr, *pointer = nullptr;
    NetworkRefusal refusal;
    if (sd_bus_message_read(message, network::kRefusedSignature, &mode, &direction, &destination,
                            &name, &reason, &pointer, &refusal.uid, &refusal.times) < 0 ||
        !wires_.contains(mode))
        return;
    refusal.untold = std::string_view(reason) == network::kUntold;
    refusal.what = {std::string_view(direction) == network::kInbound, printable(destination),
                    printable(name), reason, pointer};
    told_refused_(mode, refusal);
}

void NetworkLink::hear_spent(sd_bus_message* message) const {
    const char* mode = nullptr;
    std::uint64_t volume = 0;
    if (sd_bus_message_read(message, "st", &mode, &volume) >= 0 && wires_.contains(mode))
        told_spent_(mode, volume);
}

void NetworkLink::status(const std::string& mode, Answer<NetworkStatus> answer) {
    const auto found = wires_.find(mode);
    if (found == wires_.end())
        return answer(fail(Code::not_running, "mode '" + mode + "' has no network now"));
    if (found->second.stage == Stage::lost) {
        NetworkStatus status;
        status.lost = found->second.why;
        return answer(std::move(status));
    }
    look(network::kStatus, mode, [answer = std::move(answer)](Result<sd_bus_message*> m) mutable {
        if (!m) return answer(fail(std::move(m.error())));
        answer(read_status(*m));
    });
}

void NetworkLink::connections(const std::string& mode, Answer<NetworkConnections> answer) {
    const auto found = wires_.find(mode);
    if (found == wires_.end() || found->second.stage == Stage::lost)
        return answer(fail(Code::not_running, "mode '" + mode + "' has no network now",
                           found == wires_.end() ? "" : found->second.why));
    look(network::kConnections, mode,
         [answer = std::move(answer)](Result<sd_bus_message*> m) mutable {
             if (!m) return answer(fail(std::move(m.error())));
             answer(read_connections(*m));
         });
}

void NetworkLink::look(const char* member, const std::string& mode, Take take) {
    if (!ready_)
        return take(fail(Code::not_found, "nobody can tell of the network of '" + mode + "'",
                         why_not(), "systemctl enable --now pmos-net"));
    const auto turn = ++turn_;
    asking_.push_back({turn, std::move(take)});
    link_->call(
        member, [&](sd_bus_message* m) { return sd_bus_message_append(m, "s", mode.c_str()); },
        kLookLimit,
        [this, turn](Result<sd_bus_message*> reply) {
            const auto it = std::ranges::find(asking_, turn, &Asking::turn);
            if (it == asking_.end()) return;
            auto take_it = std::move(it->take);
            asking_.erase(it);
            take_it(std::move(reply));
        });
}

}  // namespace pmos::daemon
