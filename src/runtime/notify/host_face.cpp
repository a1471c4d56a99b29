// notify: who draws the panel. Root's alone.
#include "runtime/notify/host_face.h"

#include <algorithm>

#include "runtime/event/bus_call.h"
#include "runtime/peer/bus_driver.h"

namespace pmos::notify {
namespace {

constexpr const char* kNoteFields = "usssyasas";  // id, program, summary, body, urgency, actions
constexpr const char* kNoteSignature = "(usssyasas)";
constexpr const char* kShownFields = "sua(usssyasas)";
constexpr const char* kShownSignature = "(sua(usssyasas))";

int append(sd_bus_message* reply, const Note& note) {
    std::vector<std::string> keys, words;
    for (const auto& [key, text] : note.actions) {
        keys.push_back(key);
        words.push_back(text);
    }
    int r = sd_bus_message_open_container(reply, 'r', kNoteFields);
    if (r >= 0)
        r = sd_bus_message_append(reply, "usssy", note.id, note.program.c_str(),
                                  note.summary.c_str(), note.body.c_str(),
                                  static_cast<int>(note.urgency));
    if (r >= 0) r = event::append_strings(reply, keys);
    if (r >= 0) r = event::append_strings(reply, words);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

int append(sd_bus_message* reply, const Shown& shown) {
    int r = sd_bus_message_open_container(reply, 'r', kShownFields);
    if (r >= 0) r = sd_bus_message_append(reply, "su", shown.mode.c_str(), shown.count);
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', kNoteSignature);
    if (shown.notes != nullptr)
        for (const auto& note : shown.notes->all())
            if (r >= 0) r = append(reply, note);
    if (r >= 0) r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

int list(sd_bus_message* m, void* userdata, sd_bus_error*) {
    const auto& broker = *static_cast<Broker*>(userdata);
    sd_bus_message* made = nullptr;
    int r = sd_bus_message_new_method_return(m, &made);
    const event::MessagePtr reply(made);
    if (r >= 0) r = sd_bus_message_open_container(made, 'a', kShownSignature);
    for (const auto& shown : broker.shown_to_host())
        if (r >= 0) r = append(made, shown);
    if (r >= 0) r = sd_bus_message_close_container(made);
    return r < 0 ? r : sd_bus_send(sd_bus_message_get_bus(m), made, nullptr);
}

// What is not to be seen is not to be touched either: nobody may find out what is there.
Result<> is_seen(const Broker& broker, const std::string& mode, std::uint32_t id) {
    for (const auto& shown : broker.shown_to_host())
        if (shown.mode == mode && shown.notes != nullptr && shown.notes->find(id) != nullptr)
            return {};
    return fail(Code::not_found, "there is no such notification");
}

int dismiss(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& broker = *static_cast<Broker*>(userdata);
    const char* mode = nullptr;
    std::uint32_t id = 0;
    if (const int r = sd_bus_message_read(m, "su", &mode, &id); r < 0) return r;
    auto done = is_seen(broker, mode, id);
    if (done) done = broker.close(mode, id, Reason::dismissed);
    if (!done) return event::set_error(error, done.error());
    return sd_bus_reply_method_return(m, nullptr);
}

int invoke(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& broker = *static_cast<Broker*>(userdata);
    const char *mode = nullptr, *action = nullptr;
    std::uint32_t id = 0;
    if (const int r = sd_bus_message_read(m, "sus", &mode, &id, &action); r < 0) return r;
    auto done = is_seen(broker, mode, id);
    if (done) done = broker.invoke(mode, id, action);
    if (!done) return event::set_error(error, done.error());
    return sd_bus_reply_method_return(m, nullptr);
}

const sd_bus_vtable kVtable[] = {SD_BUS_VTABLE_START(0),
                                 SD_BUS_METHOD("List", "", "a(sua(usssyasas))", list, 0),
                                 SD_BUS_METHOD("Dismiss", "su", "", dismiss, 0),
                                 SD_BUS_METHOD("Invoke", "sus", "", invoke, 0),
                                 SD_BUS_SIGNAL("Changed", "", 0),
                                 SD_BUS_VTABLE_END};

}  // namespace

Result<std::unique_ptr<HostFace>> HostFace::make(event::EventLoop& loop, Broker& broker,
                                                 const std::string& path) {
    std::unique_ptr<HostFace> made(new HostFace(broker));
    peer::Face::Rules rules;
    rules.admits = peer::admits_root;
    rules.prepare = [&broker](peer::Face::Peer& peer) {
        const int r = peer::add_bus_driver(peer, kService);
        return r < 0 ? r
                     : sd_bus_add_object_vtable(peer.bus.get(), nullptr, kPath, kHostInterface,
                                                kVtable, &broker);
    };
    PMOS_ASSIGN(made->face_, peer::Face::make(loop, path, std::move(rules)));
    return made;
}

void HostFace::look() {
    auto now = marks_of(broker_.shown_to_host());
    if (now == told_) return;
    told_ = std::move(now);
    face_->each(
        [](sd_bus* bus) { sd_bus_emit_signal(bus, kPath, kHostInterface, "Changed", nullptr); });
}

}  // namespace pmos::notify
