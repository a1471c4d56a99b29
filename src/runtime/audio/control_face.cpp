// audio: pmosd's side: it gives the table, and hears who records and who plays. Root's alone.
#include "runtime/audio/control_face.h"

#include <cerrno>

#include "policy/names.h"
#include "runtime/event/bus_call.h"
#include "runtime/peer/bus_driver.h"

namespace pmos::audio {
namespace {

bool read_gate(std::uint8_t byte, Gate& gate) {
    if (byte > static_cast<std::uint8_t>(Gate::open)) return false;
    gate = static_cast<Gate>(byte);
    return true;
}

int read_table(sd_bus_message* m, Table& table) {
    int r = sd_bus_message_enter_container(m, 'a', kModeSignature);
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', kModeFields)) > 0) {
        ModeSound mode;
        const char* name = nullptr;
        std::uint8_t playback = 0, capture = 0;
        int moves = 0;
        r = sd_bus_message_read(m, kModeFields, &name, &mode.id, &playback, &capture, &moves);
        if (r >= 0) r = sd_bus_message_exit_container(m);
        if (r < 0) return r;
        mode.name = name;
        mode.moves = moves != 0;
        // It becomes a directory's name, and no program of a mode is root.
        if (!policy::is_mode_name(mode.name) || mode.id == 0 ||
            !read_gate(playback, mode.playback) || !read_gate(capture, mode.capture))
            return -EINVAL;
        table.modes.push_back(std::move(mode));
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

int append(sd_bus_message* m, const Users& users) {
    int r = event::append_strings(m, users.recording);
    if (r >= 0) r = event::append_strings(m, users.playing);
    return r < 0 ? r : sd_bus_message_append(m, "s", users.no_hardware.c_str());
}

int set_table(sd_bus_message* m, void* userdata, sd_bus_error*) {
    auto& broker = *static_cast<Broker*>(userdata);
    Table table;
    if (const int r = read_table(m, table); r < 0) return r;
    broker.set_table(table);
    sd_bus_message* made = nullptr;
    if (const int r = sd_bus_message_new_method_return(m, &made); r < 0) return r;
    const event::MessagePtr reply(made);
    const int r = append(made, broker.users());
    return r < 0 ? r : sd_bus_send(sd_bus_message_get_bus(m), made, nullptr);
}

const sd_bus_vtable kVtable[] = {SD_BUS_VTABLE_START(0),
                                 SD_BUS_METHOD("SetTable", "a(suyyb)", "asass", set_table, 0),
                                 SD_BUS_SIGNAL("UsersChanged", "asass", 0), SD_BUS_VTABLE_END};

}  // namespace

Result<std::unique_ptr<ControlFace>> ControlFace::make(event::EventLoop& loop, Broker& broker,
                                                       const std::string& path) {
    std::unique_ptr<ControlFace> made(new ControlFace(broker));
    peer::Face::Rules rules;
    rules.admits = peer::admits_root;
    rules.prepare = [&broker](peer::Face::Peer& peer) {
        // For tools that know no bus without one, such as busctl.
        const int r = peer::add_bus_driver(peer, kService);
        return r < 0 ? r
                     : sd_bus_add_object_vtable(peer.bus.get(), nullptr, kPath, kControlInterface,
                                                kVtable, &broker);
    };
    PMOS_ASSIGN(made->face_, peer::Face::make(loop, path, std::move(rules)));
    broker.on_change([face = made.get()] { face->tell(); });
    return made;
}

void ControlFace::tell() {
    face_->each([this](sd_bus* bus) {
        sd_bus_message* made = nullptr;
        if (sd_bus_message_new_signal(bus, &made, kPath, kControlInterface, "UsersChanged") < 0)
            return;
        const event::MessagePtr signal(made);
        if (append(made, broker_.users()) >= 0) sd_bus_send(bus, made, nullptr);
    });
}

}  // namespace pmos::audio
