// network: pmosd's side: it gives modes their networks, and hears of one that is lost. Root's
// alone.
#include "runtime/network/control_face.h"

#include <fcntl.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <cerrno>

#include "policy/launch_plan.h"
#include "policy/names.h"
#include "runtime/event/bus_call.h"
#include "runtime/network/protocol.h"
#include "runtime/peer/bus_driver.h"

namespace pmos::network {
namespace {

int say(sd_bus_error* out, Error error) { return event::set_error(out, error); }
int say_usage(sd_bus_error* out, std::string what) {
    Error error;
    error.code = Code::usage;
    error.what = std::move(what);
    return say(out, std::move(error));
}

Result<UniqueFd> own(int fd) {
    UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!copy) return fail(errno_error(errno, "cannot keep a descriptor"));
    return copy;
}

// What is sealed is what pmosd has checked, to its last byte.
Result<policy::NetworkPlan> read_plan(int fd) {
    constexpr int kSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
    const int seals = ::fcntl(fd, F_GET_SEALS);
    const off_t size = ::lseek(fd, 0, SEEK_END);
    if (seals < 0 || (seals & kSeals) != kSeals || size <= 0 || size > policy::image::kMaxSize)
        return fail(Code::usage, "the plan is no sealed image");
    std::vector<std::byte> image(static_cast<std::size_t>(size));
    if (::pread(fd, image.data(), image.size(), 0) != size)
        return fail(errno_error(errno, "cannot read the plan"));
    const auto plan = policy::decode(image);
    if (!plan) return fail(Code::usage, "the plan is of another build");
    return plan->network;
}

// An array of one descriptor, or of none.
Result<> read_optional(sd_bus_message* m, UniqueFd& fd) {
    int given = -1;
    int r = sd_bus_message_enter_container(m, 'a', "h");
    if (r >= 0) r = sd_bus_message_read(m, "h", &given);
    // A second one is nothing.
    if (r < 0 || sd_bus_message_at_end(m, 0) == 0)
        return fail(Code::usage, "at most one descriptor is taken");
    if (r == 0) return {};
    PMOS_ASSIGN(fd, own(given));
    return {};
}

Result<> read_connect(sd_bus_message* m, std::string& mode, UniqueFd& netns,
                      policy::NetworkPlan& plan, UniqueFd& key) {
    const char* name = nullptr;
    int netns_fd = -1, plan_fd = -1;
    const int r = sd_bus_message_read(m, "shh", &name, &netns_fd, &plan_fd);
    if (r < 0 || !policy::is_mode_name(name) || !read_optional(m, key))
        return fail(Code::usage, "Connect takes a mode, a namespace, a plan and at most one key");
    mode = name;
    PMOS_ASSIGN(netns, own(netns_fd));
    PMOS_ASSIGN(plan, read_plan(plan_fd));
    return {};
}

int connect(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& keeper = *static_cast<Keeper*>(userdata);
    std::string mode;
    UniqueFd netns, key;
    policy::NetworkPlan plan;
    if (auto read = read_connect(m, mode, netns, plan, key); !read)
        return say(error, std::move(read.error()));
    keeper.connect(mode, std::move(netns), std::move(plan), std::move(key),
                   [call = event::share(m)](Result<> done) {
                       if (done)
                           sd_bus_reply_method_return(call.get(), "");
                       else
                           event::reply_error(call.get(), done.error());
                   });
    return 1;
}

int read_mode(sd_bus_message* m, std::string& mode) {
    const char* name = nullptr;
    const int r = sd_bus_message_read(m, "s", &name);
    if (r < 0) return r;
    mode = name;
    return policy::is_mode_name(mode) ? 0 : -EINVAL;
}

int disconnect(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    std::string mode;
    UniqueFd netns;
    if (read_mode(m, mode) < 0 || !read_optional(m, netns))
        return say_usage(error, "Disconnect takes a mode, and its namespace where it runs on");
    auto done = static_cast<Keeper*>(userdata)->disconnect(mode, std::move(netns));
    return done ? sd_bus_reply_method_return(m, "") : say(error, std::move(done.error()));
}

int keep(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    std::vector<std::string> modes;
    if (const int r = event::read_strings(m, modes); r < 0) return r;
    auto done = static_cast<Keeper*>(userdata)->keep(modes);
    return done ? sd_bus_reply_method_return(m, "") : say(error, std::move(done.error()));
}

void reply_state(sd_bus_message* call, const NetworkState& state) {
    sd_bus_message* made = nullptr;
    if (sd_bus_message_new_method_return(call, &made) < 0) return;
    const event::MessagePtr reply(made);
    int r = sd_bus_message_append(made, "ttt", state.received, state.sent, state.spent);
    if (r >= 0) r = sd_bus_message_open_container(made, 'a', "(sstt)");
    for (const auto& peer : state.peers)
        if (r >= 0)
            r = sd_bus_message_append(made, "(sstt)", base64(peer.public_key).c_str(),
                                      peer.endpoint.c_str(), peer.handshake, peer.received);
    if (r >= 0) r = sd_bus_message_close_container(made);
    if (r >= 0) sd_bus_send(sd_bus_message_get_bus(call), made, nullptr);
}

int status(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    std::string mode;
    if (read_mode(m, mode) < 0) return say_usage(error, "Status takes a mode");
    static_cast<Keeper*>(userdata)->status(mode,
                                           [call = event::share(m)](Result<NetworkState> state) {
                                               if (state)
                                                   reply_state(call.get(), *state);
                                               else
                                                   event::reply_error(call.get(), state.error());
                                           });
    return 1;
}

int append_rows(sd_bus_message* reply, const TrafficTable& table) {
    int r = sd_bus_message_open_container(reply, 'a', kConnectionsRow);
    for (const auto& row : table.rows)
        if (r >= 0)
            r = sd_bus_message_append(reply, kConnectionsRow, row.inbound ? kInbound : kOutbound,
                                      row.protocol.c_str(), row.address.c_str(), row.port,
                                      row.name.c_str(), row.connections, row.sent, row.received);
    if (r >= 0) r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_message_append(reply, "t", table.others);
}

int connections(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    std::string mode;
    if (read_mode(m, mode) < 0) return say_usage(error, "Connections takes a mode");
    auto table = static_cast<Keeper*>(userdata)->connections(mode);
    if (!table) return say(error, std::move(table.error()));
    sd_bus_message* made = nullptr;
    if (const int r = sd_bus_message_new_method_return(m, &made); r < 0) return r;
    const event::MessagePtr reply(made);
    if (const int r = append_rows(made, *table); r < 0) return r;
    return sd_bus_send(nullptr, made, nullptr);
}

const sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD(kConnect, kConnectSignature, "", connect, 0),
    SD_BUS_METHOD(kDisconnect, "sah", "", disconnect, 0),
    SD_BUS_METHOD(kKeep, "as", "", keep, 0),
    SD_BUS_METHOD(kStatus, "s", kStatusSignature, status, 0),
    SD_BUS_METHOD(kConnections, "s", kConnectionsSignature, connections, 0),
    SD_BUS_SIGNAL(kLost, "ss", 0),
    SD_BUS_SIGNAL(kSpent, "st", 0),
    SD_BUS_SIGNAL(kRefused, kRefusedSignature, 0),
    SD_BUS_VTABLE_END};

}  // namespace

Result<std::unique_ptr<ControlFace>> ControlFace::make(event::EventLoop& loop, Keeper& keeper,
                                                       const std::string& path) {
    std::unique_ptr<ControlFace> made(new ControlFace);
    peer::Face::Rules rules;
    rules.admits = peer::admits_root;
    rules.takes_descriptors = true;
    rules.prepare = [&keeper](peer::Face::Peer& peer) {
        // For tools that know no bus without one, such as busctl.
        const int r = peer::add_bus_driver(peer, kService);
        return r < 0 ? r
                     : sd_bus_add_object_vtable(peer.bus.get(), nullptr, kPath, kControlInterface,
                                                kVtable, &keeper);
    };
    PMOS_ASSIGN(made->face_, peer::Face::make(loop, path, std::move(rules)));
    keeper.on_lost(
        [face = made.get()](const auto& mode, const auto& why) { face->tell_lost(mode, why); });
    keeper.on_spent([face = made.get()](const auto& mode, std::uint64_t volume) {
        face->face_->each([&](sd_bus* bus) {
            sd_bus_emit_signal(bus, kPath, kControlInterface, kSpent, "st", mode.c_str(), volume);
        });
    });
    keeper.on_refused([face = made.get()](const auto& refusal) { face->tell_refused(refusal); });
    keeper.on_deaf([](const auto& mode, const auto& why) {
        sd_journal_print(LOG_WARNING, "not all can be told of the network of '%s': %s",
                         mode.c_str(), why.c_str());
    });
    return made;
}

void ControlFace::tell_refused(const Refusal& refusal) const {
    face_->each([&](sd_bus* bus) {
        sd_bus_emit_signal(bus, kPath, kControlInterface, kRefused, kRefusedSignature,
                           refusal.mode.c_str(), refusal.inbound ? kInbound : kOutbound,
                           refusal.destination.c_str(), refusal.name.c_str(),
                           refusal.reason.c_str(), refusal.pointer.c_str(), refusal.uid,
                           refusal.times);
    });
}

void ControlFace::tell_lost(const std::string& mode, const std::string& why) {
    sd_journal_print(LOG_WARNING, "the mode '%s' has lost its network: %s", mode.c_str(),
                     why.c_str());
    face_->each([&](sd_bus* bus) {
        sd_bus_emit_signal(bus, kPath, kControlInterface, kLost, "ss", mode.c_str(), why.c_str());
    });
}

}  // namespace pmos::network
