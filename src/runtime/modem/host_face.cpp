// modem: the host's side: what there is, as counts, and emergency calls. Works without pmosd.
// Root's alone.
#include "runtime/modem/host_face.h"

#include <algorithm>

#include "runtime/modem/control_face.h"
#include "runtime/modem/mm_names.h"
#include "runtime/modem/protocol.h"
#include "runtime/peer/bus_driver.h"

namespace pmos::modem {
namespace {

int append_line(sd_bus_message* reply, const Line& line) {
    int r = sd_bus_message_open_container(reply, 'r', "siususasb");
    if (r >= 0)
        r = sd_bus_message_append(reply, "siusus", line.names.device.c_str(),
                                  static_cast<std::int32_t>(line.state), line.failed_reason,
                                  line.operator_name.c_str(), line.signal,
                                  line.operator_code.c_str());
    if (r >= 0) r = event::append_strings(reply, line.names.numbers);
    if (r >= 0) r = sd_bus_message_append(reply, "b", static_cast<int>(line.voice));
    return r >= 0 ? sd_bus_message_close_container(reply) : r;
}

int append_mode(sd_bus_message* reply, const View& view) {
    const auto live =
        std::ranges::count_if(view.calls, [](const auto& call) { return is_live(call.second); });
    const auto received =
        std::ranges::count_if(view.texts, [](const auto& text) { return text.second.incoming; });
    return sd_bus_message_append(
        reply, "(sbbbuu)", view.rights.name.c_str(), static_cast<int>(view.rights.sms),
        static_cast<int>(view.rights.voice), static_cast<int>(view.rights.data),
        static_cast<std::uint32_t>(live), static_cast<std::uint32_t>(received));
}

// Those that are up, also nobody's: the phone's own.
int append_connections(sd_bus_message* reply, const Broker& broker) {
    int r = sd_bus_message_open_container(reply, 'a', "(ssss)");
    const auto& lines = broker.radio().lines();
    for (const auto& [path, bearer] : broker.radio().bearers()) {
        if (r < 0 || !bearer.connected) continue;
        const auto line = lines.find(bearer.line);
        r = sd_bus_message_append(reply, "(ssss)", broker.bearer_owner(path).c_str(),
                                  line == lines.end() ? "" : line->second.names.device.c_str(),
                                  bearer.access_point.c_str(), bearer.interface.c_str());
    }
    return r >= 0 ? sd_bus_message_close_container(reply) : r;
}

// Of a mode's messages and calls how many; never a number, a name or a word of them.
int status(sd_bus_message* m, void* userdata, sd_bus_error*) {
    const auto& broker = *static_cast<Broker*>(userdata);
    sd_bus_message* reply = nullptr;
    int r = sd_bus_message_new_method_return(m, &reply);
    const MessagePtr owned(reply);
    if (r >= 0) r = sd_bus_message_append(reply, "b", static_cast<int>(broker.radio().present()));
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "(siususasb)");
    for (const auto& [path, line] : broker.radio().lines())
        if (r >= 0) r = append_line(reply, line);
    if (r >= 0) r = sd_bus_message_close_container(reply);
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "(sbbbuu)");
    for (const auto& [mode, view] : broker.views())
        if (r >= 0) r = append_mode(reply, view);
    if (r >= 0) r = sd_bus_message_close_container(reply);
    if (r >= 0) r = append_connections(reply, broker);
    const auto& emergency = broker.emergency();
    if (r >= 0)
        r = sd_bus_message_append(reply, "uusss",
                                  static_cast<std::uint32_t>(broker.nobodys_calls()),
                                  static_cast<std::uint32_t>(broker.nobodys_texts()),
                                  phase_name(emergency.phase()).data(), emergency.number().c_str(),
                                  emergency.words().c_str());
    return r >= 0 ? sd_bus_send(nullptr, reply, nullptr) : r;
}

int call(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    const char* number = nullptr;
    if (const int r = sd_bus_message_read(m, "s", &number); r < 0) return r;
    if (const auto dialled = static_cast<Broker*>(userdata)->dial_emergency(number); !dialled)
        return set_error(error, dialled.error());
    return sd_bus_reply_method_return(m, nullptr);
}

int hang_up(sd_bus_message* m, void* userdata, sd_bus_error*) {
    static_cast<Broker*>(userdata)->end_emergency();
    return sd_bus_reply_method_return(m, nullptr);
}

const sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Status", "", "ba(siususasb)a(sbbbuu)a(ssss)uusss", status, 0),
    SD_BUS_METHOD("Call", "s", "", call, 0),
    SD_BUS_METHOD("HangUp", "", "", hang_up, 0),
    SD_BUS_SIGNAL("Emergency", "sss", 0),
    SD_BUS_VTABLE_END};

}  // namespace

Result<std::unique_ptr<HostFace>> HostFace::make(event::EventLoop& loop, Broker& broker,
                                                 const std::string& path) {
    std::unique_ptr<HostFace> made(new HostFace(broker));
    peer::Face::Rules rules;
    rules.admits = peer::admits_root;
    rules.prepare = [&broker](peer::Face::Peer& peer) {
        // For tools that know no bus without one, such as busctl.
        const int r = peer::add_bus_driver(peer, mm::kService);
        return r < 0 ? r
                     : sd_bus_add_object_vtable(peer.bus.get(), nullptr, kPath, kHostInterface,
                                                kVtable, &broker);
    };
    PMOS_ASSIGN(made->face_, peer::Face::make(loop, path, std::move(rules)));
    return made;
}

void HostFace::emergency_changed() {
    const auto& emergency = broker_.emergency();
    const std::string phase(phase_name(emergency.phase()));
    if (const auto now = phase + " " + emergency.number() + " " + emergency.words();
        std::exchange(told_, now) == now)
        return;
    face_->each([&](sd_bus* bus) {
        sd_bus_emit_signal(bus, kPath, kHostInterface, "Emergency", "sss", phase.c_str(),
                           emergency.number().c_str(), emergency.words().c_str());
    });
}

}  // namespace pmos::modem
