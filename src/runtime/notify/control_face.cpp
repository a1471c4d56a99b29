// notify: pmosd's side: it gives the table, and hears counts. Root's alone.
#include "runtime/notify/control_face.h"

#include <algorithm>
#include <cerrno>

#include "policy/names.h"
#include "runtime/event/bus_call.h"
#include "runtime/peer/bus_driver.h"

namespace pmos::notify {
namespace {

int read_mode(sd_bus_message* m, ModeRights& mode) {
    const char* name = nullptr;
    std::uint8_t telling = 0;
    int notifies = 0, keeps_awake = 0, foreground = 0, locked = 0;
    const int r =
        sd_bus_message_read(m, kModeFields, &name, &mode.run, &mode.id_start, &mode.id_count,
                            &notifies, &telling, &keeps_awake, &foreground, &locked);
    if (r < 0) return r;
    mode.name = name;
    mode.notifies = notifies != 0;
    mode.telling = static_cast<Telling>(telling);
    mode.keeps_awake = keeps_awake != 0;
    mode.foreground = foreground != 0;
    mode.locked = locked != 0;
    // It becomes a directory's name.
    return telling > static_cast<std::uint8_t>(Telling::full) || !policy::is_mode_name(mode.name)
               ? -EINVAL
               : 0;
}

int read_table(sd_bus_message* m, Table& table) {
    int r = sd_bus_message_enter_container(m, 'a', kModeSignature);
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', kModeFields)) > 0) {
        ModeRights mode;
        r = read_mode(m, mode);
        if (r >= 0) r = sd_bus_message_exit_container(m);
        if (r < 0) return r;
        table.modes.push_back(std::move(mode));
    }
    // Two in front would see each other's.
    if (std::ranges::count(table.modes, true, &ModeRights::foreground) > 1) return -EINVAL;
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

int append(sd_bus_message* m, const std::vector<ModeUse>& uses) {
    int r = sd_bus_message_open_container(m, 'a', kUseSignature);
    for (const auto& use : uses)
        if (r >= 0)
            r = sd_bus_message_append(m, kUseSignature, use.name.c_str(), use.count,
                                      int{use.wants_awake});
    return r < 0 ? r : sd_bus_message_close_container(m);
}

int set_table(sd_bus_message* m, void* userdata, sd_bus_error*) {
    auto& broker = *static_cast<Broker*>(userdata);
    Table table;
    if (const int r = read_table(m, table); r < 0) return r;
    broker.set_table(table);
    sd_bus_message* made = nullptr;
    if (const int r = sd_bus_message_new_method_return(m, &made); r < 0) return r;
    const event::MessagePtr reply(made);
    const int r = append(made, broker.uses());
    return r < 0 ? r : sd_bus_send(sd_bus_message_get_bus(m), made, nullptr);
}

const sd_bus_vtable kVtable[] = {SD_BUS_VTABLE_START(0),
                                 SD_BUS_METHOD("SetTable", "a(stuubybbb)", "a(sub)", set_table, 0),
                                 SD_BUS_SIGNAL("Changed", "a(sub)", 0), SD_BUS_VTABLE_END};

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
    return made;
}

void ControlFace::look() {
    auto now = broker_.uses();
    if (now == told_) return;
    told_ = std::move(now);
    face_->each([this](sd_bus* bus) {
        sd_bus_message* made = nullptr;
        if (sd_bus_message_new_signal(bus, &made, kPath, kControlInterface, "Changed") < 0) return;
        const event::MessagePtr signal(made);
        if (append(made, told_) >= 0) sd_bus_send(bus, made, nullptr);
    });
}

}  // namespace pmos::notify
