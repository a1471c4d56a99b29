// modem: pmosd's side: it gives the table, and hears for whom something came. Root's alone.
#include "runtime/modem/control_face.h"

#include "policy/names.h"
#include "runtime/modem/mm_names.h"
#include "runtime/modem/protocol.h"
#include "runtime/peer/bus_driver.h"

namespace pmos::modem {
namespace {

int read_mode(sd_bus_message* m, ModeRights& mode) {
    const char* name = nullptr;
    int sms = 0, voice = 0, emergency = 0, data = 0, foreground = 0, running = 0;
    int r = sd_bus_message_read(m, "suubbbbbb", &name, &mode.id_start, &mode.id_count, &sms, &voice,
                                &emergency, &data, &foreground, &running);
    if (r < 0) return r;
    mode.name = name;
    mode.sms = sms != 0;
    mode.voice = voice != 0;
    mode.emergency = emergency != 0;
    mode.data = data != 0;
    mode.foreground = foreground != 0;
    mode.running = running != 0;
    r = event::read_strings(m, mode.numbers);
    if (r >= 0) r = event::read_strings(m, mode.lines);
    return r < 0 ? r : event::read_strings(m, mode.access_points);
}

int read_table(sd_bus_message* m, Table& table) {
    int r = sd_bus_message_enter_container(m, 'a', kModeSignature);
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', kModeFields)) > 0) {
        ModeRights mode;
        r = read_mode(m, mode);
        if (r >= 0) r = sd_bus_message_exit_container(m);
        // It becomes a directory's name.
        if (r >= 0 && !policy::is_mode_name(mode.name)) return -EINVAL;
        table.modes.push_back(std::move(mode));
    }
    if (r >= 0) r = sd_bus_message_exit_container(m);
    const char* fallback = nullptr;
    if (r >= 0) r = sd_bus_message_read(m, "s", &fallback);
    if (r < 0) return r;
    table.fallback = fallback;
    return event::read_strings(m, table.emergency);
}

int set_table(sd_bus_message* m, void* userdata, sd_bus_error*) {
    auto& broker = *static_cast<Broker*>(userdata);
    Table table;
    if (const int r = read_table(m, table); r < 0) return r;
    broker.set_table(std::move(table));
    sd_bus_message* made = nullptr;
    if (const int r = sd_bus_message_new_method_return(m, &made); r < 0) return r;
    const MessagePtr reply(made);
    const int r = event::append_strings(made, broker.on_call());
    return r < 0 ? r : sd_bus_send(sd_bus_message_get_bus(m), made, nullptr);
}

const sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("SetTable", "a(suubbbbbbasasas)sas", "as", set_table, 0),
    SD_BUS_SIGNAL("CallCame", "s", 0),
    SD_BUS_SIGNAL("CallsChanged", "as", 0),
    SD_BUS_SIGNAL("MessageCame", "s", 0),
    SD_BUS_VTABLE_END};

}  // namespace

Result<std::unique_ptr<ControlFace>> ControlFace::make(event::EventLoop& loop, Broker& broker,
                                                       const std::string& path) {
    auto made = std::make_unique<ControlFace>();
    made->broker_ = &broker;
    peer::Face::Rules rules;
    rules.admits = peer::admits_root;
    rules.prepare = [&broker](peer::Face::Peer& peer) {
        // For tools that know no bus without one, such as busctl.
        const int r = peer::add_bus_driver(peer, mm::kService);
        return r < 0 ? r
                     : sd_bus_add_object_vtable(peer.bus.get(), nullptr, kPath, kControlInterface,
                                                kVtable, &broker);
    };
    PMOS_ASSIGN(made->face_, peer::Face::make(loop, path, std::move(rules)));
    return made;
}

void ControlFace::look_at_calls() {
    auto now = broker_->on_call();
    if (now == on_call_) return;
    on_call_ = std::move(now);
    face_->each([this](sd_bus* bus) {
        sd_bus_message* made = nullptr;
        if (sd_bus_message_new_signal(bus, &made, kPath, kControlInterface, "CallsChanged") < 0)
            return;
        const MessagePtr signal(made);
        if (event::append_strings(made, on_call_) >= 0) sd_bus_send(bus, made, nullptr);
    });
}

void ControlFace::call_came(const std::string& mode) {
    face_->each([&](sd_bus* bus) {
        sd_bus_emit_signal(bus, kPath, kControlInterface, "CallCame", "s", mode.c_str());
    });
}

void ControlFace::text_came(const std::string& mode) {
    face_->each([&](sd_bus* bus) {
        sd_bus_emit_signal(bus, kPath, kControlInterface, "MessageCame", "s", mode.c_str());
    });
}

}  // namespace pmos::modem
