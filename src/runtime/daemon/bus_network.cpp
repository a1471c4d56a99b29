// daemon: the network of the Mode objects. Translates, decides nothing; never reads a key.
#include "base/text.h"
#include "policy/names.h"
#include "policy/x25519.h"
#include "runtime/daemon/bus.h"
#include "runtime/daemon/bus_args.h"
#include "runtime/network/part.h"

namespace pmos::daemon {
namespace {

using volume::Verb;

int key_when(void* userdata, sd_bus_message* message, VolumeCall call) {
    call.owner = bus_of(userdata).owner_of(message);
    bus_of(userdata).supervisor().tunnel_key(
        mode_of(userdata), std::move(call), [call = Call(message)](Result<std::string> key) {
            if (!key) return call.fail(key.error());
            sd_bus_reply_method_return(call.get(), "s", key->c_str());
        });
    return 1;
}

int read_replaces(sd_bus_message* message, VolumeCall& call) {
    int replaces = 0;
    const int r = sd_bus_message_read(message, "b", &replaces);
    call.replaces = replaces != 0;
    return r;
}

int make_key(sd_bus_message* message, void* userdata, sd_bus_error*) {
    VolumeCall wanted{Verb::tunnel_key_new, {}};
    const int r = read_replaces(message, wanted);
    return r < 0 ? r : key_when(userdata, message, std::move(wanted));
}

int import_key(sd_bus_message* message, void* userdata, sd_bus_error*) {
    VolumeCall wanted{Verb::tunnel_key_import, {}};
    int r = read_fd(message, wanted.other);
    if (r >= 0) r = read_replaces(message, wanted);
    return r < 0 ? r : key_when(userdata, message, std::move(wanted));
}

int import_preshared(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char* peer = nullptr;
    VolumeCall wanted{Verb::preshared_key_import, {}};
    int r = sd_bus_message_read(message, "s", &peer);
    if (r >= 0) r = read_fd(message, wanted.other);
    if (r >= 0) r = read_replaces(message, wanted);
    if (r < 0) return r;
    wanted.peer = policy::parse_key(peer);
    if (wanted.peer) return key_when(userdata, message, std::move(wanted));
    Call(message).fail(fail(Code::usage, "this is no public key of a peer", printable(peer),
                            "write it as the profile has it")
                           .error());
    return 1;
}

int public_key(sd_bus_message* message, void* userdata, sd_bus_error*) {
    return key_when(userdata, message, {Verb::tunnel_key_show, {}});
}

int append_peers(sd_bus_message* reply, const std::vector<NetworkPeer>& peers) {
    int r = sd_bus_message_open_container(reply, 'a', "(sstt)");
    for (const auto& peer : peers)
        if (r >= 0)
            r = sd_bus_message_append(reply, "(sstt)", peer.public_key.c_str(),
                                      peer.endpoint.c_str(), peer.handshake, peer.received);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

// Of a run the zone that it was started with.
int status(sd_bus_message* message, void* userdata, sd_bus_error*) {
    Mode& mode = mode_of(userdata);
    const auto& plan = mode.running ? mode.running->plan : mode.plan;
    const auto zone = plan ? plan->network.zone : policy::Zone::none;
    auto tell = [call = Call(message), volume = plan ? plan->network.limits.volume : 0,
                 zone = std::string(policy::word_at(policy::kZoneNames, zone))](
                    const std::string& state, const NetworkStatus& status) {
        sd_bus_message* reply = nullptr;
        int r = sd_bus_message_new_method_return(call.get(), &reply);
        if (r >= 0)
            r = sd_bus_message_append(reply, "sssstttt", zone.c_str(), state.c_str(),
                                      state == "up" ? network::kModeLink : "", status.lost.c_str(),
                                      status.received, status.sent, status.spent,
                                      state == "up" ? volume : 0);
        if (r >= 0) r = append_peers(reply, status.peers);
        if (r >= 0) sd_bus_send(nullptr, reply, nullptr);
        sd_bus_message_unref(reply);
    };
    if (!mode.alive() || !policy::has_wire(zone)) {
        tell(mode.alive() ? "none" : "down", {});
        return 1;
    }
    bus_of(userdata).supervisor().network_status(
        mode, [tell = std::move(tell), call = Call(message)](Result<NetworkStatus> status) {
            if (!status) return call.fail(status.error());
            tell(status->lost.empty() ? "up" : "lost", *status);
        });
    return 1;
}

constexpr const char* kRow = "(sssqsutt)";

int append_connections(sd_bus_message* reply, const NetworkConnections& all) {
    int r = sd_bus_message_open_container(reply, 'a', kRow);
    for (const auto& row : all.rows)
        if (r >= 0)
            r = sd_bus_message_append(reply, kRow, row.direction.c_str(), row.protocol.c_str(),
                                      row.address.c_str(), row.port, row.name.c_str(),
                                      row.connections, row.sent, row.received);
    if (r >= 0) r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_message_append(reply, "t", all.others);
}

int connections(sd_bus_message* message, void* userdata, sd_bus_error*) {
    bus_of(userdata).supervisor().network_connections(
        mode_of(userdata), [call = Call(message)](Result<NetworkConnections> all) {
            if (!all) return call.fail(all.error());
            sd_bus_message* reply = nullptr;
            int r = sd_bus_message_new_method_return(call.get(), &reply);
            if (r >= 0) r = append_connections(reply, *all);
            if (r >= 0) sd_bus_send(nullptr, reply, nullptr);
            sd_bus_message_unref(reply);
        });
    return 1;
}

// The bus policy decides who may call what: a key is for root only.
constexpr std::uint64_t kAnyone = SD_BUS_VTABLE_UNPRIVILEGED;

constexpr sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_NAMES("MakeKey", "b", SD_BUS_PARAM(replace), "s", SD_BUS_PARAM(public_key),
                             make_key, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("ImportKey", "hb", SD_BUS_PARAM(key) SD_BUS_PARAM(replace), "s",
                             SD_BUS_PARAM(public_key), import_key,
                             kAnyone | SD_BUS_VTABLE_SENSITIVE),
    SD_BUS_METHOD_WITH_NAMES(
        "ImportPresharedKey", "shb", SD_BUS_PARAM(peer) SD_BUS_PARAM(key) SD_BUS_PARAM(replace),
        "s", SD_BUS_PARAM(peer), import_preshared, kAnyone | SD_BUS_VTABLE_SENSITIVE),
    SD_BUS_METHOD_WITH_NAMES("PublicKey", "", , "s", SD_BUS_PARAM(public_key), public_key, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("Status", "", , "sssstttta(sstt)",
                             SD_BUS_PARAM(zone) SD_BUS_PARAM(state) SD_BUS_PARAM(interface)
                                 SD_BUS_PARAM(why) SD_BUS_PARAM(received) SD_BUS_PARAM(sent)
                                     SD_BUS_PARAM(spent_today) SD_BUS_PARAM(volume)
                                         SD_BUS_PARAM(peers),
                             status, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("Connections", "", , "a(sssqsutt)t",
                             SD_BUS_PARAM(destinations) SD_BUS_PARAM(others), connections, kAnyone),
    SD_BUS_VTABLE_END,
};

}  // namespace

const sd_bus_vtable* network_vtable() { return kVtable; }

}  // namespace pmos::daemon
