// notify: the session bus that a mode's programs find. Decides nothing.
#include "runtime/notify/mode_face.h"

#include <array>
#include <cstring>

#include "runtime/event/bus_call.h"
#include "runtime/notify/read_note.h"
#include "runtime/peer/bus_driver.h"

namespace pmos::notify {
namespace {

using peer::Face;

constexpr const char* kNotes = "org.freedesktop.Notifications";
constexpr const char* kNotesPath = "/org/freedesktop/Notifications";
constexpr const char* kSaver = "org.freedesktop.ScreenSaver";
constexpr const char* kOthers = "org.pmos.Notifications1";
constexpr const char* kOthersPath = "/org/pmos/Notifications1";
// Programs ask for the screen saver at either.
constexpr std::array kSaverPaths{"/org/freedesktop/ScreenSaver", "/ScreenSaver"};

constexpr std::size_t kMostPeers = 32;
// Of a picture in a message no more is read than that, and none of it kept.
constexpr std::uint32_t kMostBytes = 512U << 10U;

ModeFace& face_of(void* userdata) { return *static_cast<ModeFace*>(userdata); }

int notify(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& face = face_of(userdata);
    Note note;
    std::uint32_t replaces = 0;
    if (const int r = read_note(m, Clock::now(), note, replaces); r < 0) return r;
    const auto id = face.broker().notify(face.mode(), std::move(note), replaces);
    if (!id) return event::set_error(error, id.error());
    return sd_bus_reply_method_return(m, "u", *id);
}

int close_notification(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& face = face_of(userdata);
    std::uint32_t id = 0;
    if (const int r = sd_bus_message_read(m, "u", &id); r < 0) return r;
    if (const auto gone = face.broker().close(face.mode(), id, Reason::closed); !gone)
        return event::set_error(error, gone.error());
    return sd_bus_reply_method_return(m, nullptr);
}

int get_capabilities(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(m, "as", 3, "actions", "body", "persistence");
}

int get_server_information(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(m, "ssss", "pmos-notify", "pmos", PMOS_VERSION, "1.2");
}

const std::string& caller(ModeFace& face, sd_bus_message* m) {
    return face.name_of(sd_bus_message_get_bus(m));
}

int inhibit(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& face = face_of(userdata);
    const auto cookie = face.broker().keep_awake(face.mode(), caller(face, m));
    if (!cookie) return event::set_error(error, cookie.error());
    return sd_bus_reply_method_return(m, "u", *cookie);
}

int uninhibit(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& face = face_of(userdata);
    std::uint32_t cookie = 0;
    if (const int r = sd_bus_message_read(m, "u", &cookie); r < 0) return r;
    if (const auto let = face.broker().let_sleep(face.mode(), caller(face, m), cookie); !let)
        return event::set_error(error, let.error());
    return sd_bus_reply_method_return(m, nullptr);
}

int append_note(sd_bus_message* reply, const Note& note) {
    return sd_bus_message_append(reply, "(ssy)", note.summary.c_str(), note.body.c_str(),
                                 static_cast<int>(note.urgency));
}

int append(sd_bus_message* reply, const Shown& shown) {
    int r = sd_bus_message_open_container(reply, 'r', "sua(ssy)");
    if (r >= 0) r = sd_bus_message_append(reply, "su", shown.mode.c_str(), shown.count);
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "(ssy)");
    if (shown.notes != nullptr)
        for (const auto& note : shown.notes->all())
            if (r >= 0) r = append_note(reply, note);
    if (r >= 0) r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

constexpr std::uint64_t kMostLists = 4;

// No sender, no number and no time: of another mode those are nobody's business.
int list(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& face = face_of(userdata);
    // Each answer may be long, and what waits to be read is the broker's memory.
    std::uint64_t unread = 0;
    if (sd_bus_get_n_queued_write(sd_bus_message_get_bus(m), &unread) >= 0 && unread > kMostLists)
        return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                "read first what you have asked for");
    sd_bus_message* made = nullptr;
    int r = sd_bus_message_new_method_return(m, &made);
    const event::MessagePtr reply(made);
    if (r >= 0) r = sd_bus_message_open_container(made, 'a', "(sua(ssy))");
    for (const auto& shown : face.broker().shown_to(face.mode()))
        if (r >= 0) r = append(made, shown);
    if (r >= 0) r = sd_bus_message_close_container(made);
    return r < 0 ? r : sd_bus_send(sd_bus_message_get_bus(m), made, nullptr);
}

const sd_bus_vtable kNotesTable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Notify", kNoteSignature, "u", notify, 0),
    SD_BUS_METHOD("CloseNotification", "u", "", close_notification, 0),
    SD_BUS_METHOD("GetCapabilities", "", "as", get_capabilities, 0),
    SD_BUS_METHOD("GetServerInformation", "", "ssss", get_server_information, 0),
    SD_BUS_SIGNAL("NotificationClosed", "uu", 0),
    SD_BUS_SIGNAL("ActionInvoked", "us", 0),
    SD_BUS_VTABLE_END};

const sd_bus_vtable kSaverTable[] = {
    SD_BUS_VTABLE_START(0), SD_BUS_METHOD("Inhibit", "ss", "u", inhibit, 0),
    SD_BUS_METHOD("UnInhibit", "u", "", uninhibit, 0), SD_BUS_VTABLE_END};

const sd_bus_vtable kOthersTable[] = {SD_BUS_VTABLE_START(0),
                                      SD_BUS_METHOD("List", "", "a(sua(ssy))", list, 0),
                                      SD_BUS_SIGNAL("Changed", "", 0), SD_BUS_VTABLE_END};

}  // namespace

Result<std::unique_ptr<ModeFace>> ModeFace::make(event::EventLoop& loop, Broker& broker,
                                                 const std::string& mode, const std::string& dir) {
    std::unique_ptr<ModeFace> made(new ModeFace(broker, mode));
    Face::Rules rules;
    rules.mode = 0666;
    rules.most_peers = kMostPeers;
    rules.guarded = true;
    rules.most_bytes = kMostBytes;
    rules.admits = [self = made.get()](const ucred& who) {
        const auto* rights = self->broker_.rights(self->mode_);
        return rights != nullptr && who.uid >= rights->id_start &&
               who.uid - rights->id_start < rights->id_count;
    };
    rules.prepare = [self = made.get()](Face::Peer& peer) { return self->prepare(peer); };
    rules.gone = [self = made.get()](const Face::Peer& peer) {
        self->broker_.client_gone(self->mode_, peer.name);
    };
    PMOS_ASSIGN(made->face_, Face::make(loop, dir + "/" + kModeSocket, std::move(rules)));
    made->told_ = marks_of(broker.shown_to(mode));
    return made;
}

int ModeFace::prepare(Face::Peer& peer) {
    sd_bus* bus = peer.bus.get();
    int r = sd_bus_set_sender(bus, peer::kOwnName);
    // Programs that want to be the only one of their kind take a name on their session bus.
    if (r >= 0) r = peer::add_bus_driver(peer, {{kNotes, kSaver, kOthers}, {{}}});
    const auto add = [&](const char* path, const char* interface, const sd_bus_vtable* table) {
        if (r >= 0) r = sd_bus_add_object_vtable(bus, nullptr, path, interface, table, this);
    };
    add(kNotesPath, kNotes, kNotesTable);
    add(kOthersPath, kOthers, kOthersTable);
    for (const char* path : kSaverPaths) add(path, kSaver, kSaverTable);
    return r;
}

const std::string& ModeFace::name_of(sd_bus* bus) const {
    static const std::string kNobody;
    for (const auto& peer : face_->peers())
        if (peer.bus.get() == bus) return peer.name;
    return kNobody;
}

void ModeFace::closed(std::uint32_t id, Reason reason) {
    face_->each([&](sd_bus* bus) {
        sd_bus_emit_signal(bus, kNotesPath, kNotes, "NotificationClosed", "uu", id,
                           static_cast<std::uint32_t>(reason));
    });
}

void ModeFace::invoked(std::uint32_t id, const std::string& action) {
    face_->each([&](sd_bus* bus) {
        sd_bus_emit_signal(bus, kNotesPath, kNotes, "ActionInvoked", "us", id, action.c_str());
    });
}

void ModeFace::look_at_others() {
    auto now = marks_of(broker_.shown_to(mode_));
    if (now == told_) return;
    told_ = std::move(now);
    face_->each(
        [](sd_bus* bus) { sd_bus_emit_signal(bus, kOthersPath, kOthers, "Changed", nullptr); });
}

}  // namespace pmos::notify
