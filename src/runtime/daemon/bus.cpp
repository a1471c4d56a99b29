// daemon: org.pmos.Runtime1 on the system bus and on the private socket. Translates, decides
// nothing; never reads a secret.
#include "runtime/daemon/bus.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>

#include "runtime/daemon/bus_names.h"

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxPeers = 64;

int find_mode(sd_bus*, const char* path, const char*, void* userdata, void** found, sd_bus_error*) {
    *found = static_cast<Bus*>(userdata)->object_at(path);
    return *found != nullptr ? 1 : 0;
}

int list_modes(sd_bus*, const char*, void* userdata, char*** nodes, sd_bus_error*) {
    const auto& modes = static_cast<Bus*>(userdata)->supervisor().modes();
    // sd-bus frees it with free(3).
    auto** list = static_cast<char**>(::calloc(modes.size() + 1, sizeof(char*)));
    if (list == nullptr) return -ENOMEM;
    std::size_t n = 0;
    for (const auto& [name, mode] : modes) list[n++] = ::strdup(mode_path(name).c_str());
    *nodes = list;
    return 1;
}

}  // namespace

std::string mode_path(const std::string& mode) {
    char* path = nullptr;
    if (sd_bus_path_encode(bus::kModePrefix, mode.c_str(), &path) < 0) return {};
    std::string out = path;
    ::free(path);
    return out;
}

int append_details(sd_bus_message* reply, const Details& details) {
    int r = sd_bus_message_open_container(reply, 'a', "{ss}");
    for (const auto& [key, value] : details)
        if (r >= 0) r = sd_bus_message_append(reply, "{ss}", key.c_str(), value.c_str());
    return r >= 0 ? sd_bus_message_close_container(reply) : r;
}

void Call::fail(const Error& error) const { event::reply_error(message_, error); }

void Call::done(const Result<>& result) const {
    if (!result) return fail(result.error());
    sd_bus_reply_method_return(message_, nullptr);
}

ModeObject* Bus::object_at(std::string_view path) {
    if (const auto it = objects_.find(path); it != objects_.end()) return it->second.get();
    for (const auto& [name, mode] : supervisor_->modes())
        if (mode_path(name) == path)
            return objects_
                .emplace(std::string(path), std::make_unique<ModeObject>(ModeObject{*this, *mode}))
                .first->second.get();
    return nullptr;
}

Bus::~Bus() { close(); }

void Bus::close() {
    incoming_.reset();
    retry_.reset();
    if (supervisor_ != nullptr) tell_changes();
    for (auto& connection : connections_) sd_bus_flush(connection.handle.get());
    leave_system();
    connections_.clear();
    if (listener_) ::unlink((paths_.run + "/private").c_str());
    listener_.reset();
}

Result<> Bus::begin(Supervisor& supervisor, System system) {
    supervisor_ = &supervisor;
    PMOS_TRY(listen());
    if (system == System::off) return {};
    auto connected = connect_system();
    if (!connected && system == System::required) return connected;
    if (!connected) retry_system();
    return {};
}

Result<> Bus::listen() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = paths_.run + "/private";
    if (path.size() >= sizeof address.sun_path)
        return fail(Code::usage, "the path '" + path + "' is too long for a socket");
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener_) return fail(errno_error(errno, "cannot make the private socket"));
    ::unlink(path.c_str());
    const mode_t before = ::umask(0177);
    const int bound =
        ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    const int bind_errno = errno;
    ::umask(before);
    if (bound != 0) return fail(errno_error(bind_errno, "cannot bind '" + path + "'"));
    if (::listen(listener_.get(), 16) != 0)
        return fail(errno_error(errno, "cannot listen on '" + path + "'"));
    incoming_ = loop_.on_io(listener_.borrow(), EPOLLIN, [this](std::uint32_t) { accept_peer(); });
    return {};
}

void Bus::accept_peer() {
    UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    ucred who{};
    socklen_t size = sizeof who;
    if (!peer || ::getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return;
    if (who.uid != 0 || connections_.size() >= kMaxPeers) return;
    sd_bus* handle = nullptr;
    sd_id128_t id{};
    if (sd_bus_new(&handle) < 0) return;
    BusPtr owned(handle);
    if (sd_id128_randomize(&id) < 0 || sd_bus_set_fd(handle, peer.get(), peer.get()) < 0) return;
    static_cast<void>(peer.release());
    if (sd_bus_set_server(handle, 1, id) < 0 ||
        sd_bus_negotiate_creds(handle, 1, SD_BUS_CREDS_UID) < 0 ||
        sd_bus_negotiate_fds(handle, 1) < 0 || sd_bus_set_trusted(handle, 1) < 0 ||
        sd_bus_start(handle) < 0)
        return;
    auto& connection = connections_.emplace_back();
    connection.bus = this;
    connection.handle = std::move(owned);
    connection.id = fmt::format("peer-{}", next_id_++);
    if (!export_objects(connection)) connections_.pop_back();
}

Result<> Bus::connect_system() {
    sd_bus* handle = nullptr;
    if (const int r = sd_bus_open_system(&handle); r < 0)
        return fail(errno_error(-r, "cannot reach the system bus"));
    auto& connection = connections_.emplace_back();
    connection.bus = this;
    connection.handle.reset(handle);
    connection.id = "system";
    connection.system = true;
    auto exported = export_objects(connection);
    int r = 0;
    if (exported)
        r = sd_bus_match_signal(handle, nullptr, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                "org.freedesktop.DBus", "NameOwnerChanged", on_name_owner_changed,
                                &connection);
    if (exported && r >= 0) r = sd_bus_request_name(handle, bus::kService, 0);
    if (exported && r >= 0) {
        logind_ = std::make_unique<Logind>(handle, *supervisor_);
        idle_lock_ = std::make_unique<IdleLock>(handle);
        supervisor_->set_idle_keeper(idle_lock_.get());
        fprintd_ = std::make_unique<Fprintd>(loop_, handle);
        supervisor_->set_finger_reader(fprintd_.get());
        return {};
    }
    connections_.pop_back();
    if (!exported) return exported;
    return fail(errno_error(-r, "cannot take the name org.pmos.Runtime1 on the system bus",
                            "is its D-Bus policy installed, and no other pmosd running?"));
}

// Everything that has the system bus and speaks for others there.
void Bus::leave_system() {
    if (idle_lock_) supervisor_->set_idle_keeper(nullptr);
    idle_lock_.reset();
    logind_.reset();
    if (!fprintd_) return;
    supervisor_->set_finger_reader(nullptr);
    fprintd_.reset();
}

void Bus::retry_system() {
    retry_ = loop_.after(1s, [this] {
        if (!connect_system()) retry_system();
    });
}

Result<> Bus::export_objects(Connection& connection) {
    sd_bus* handle = connection.handle.get();
    int r = sd_bus_attach_event(handle, loop_.get(), SD_EVENT_PRIORITY_NORMAL);
    if (r >= 0)
        r = sd_bus_add_object_vtable(handle, nullptr, bus::kManagerPath, bus::kManagerInterface,
                                     manager_vtable(), this);
    if (r >= 0)
        r = sd_bus_add_fallback_vtable(handle, nullptr, bus::kModePrefix, bus::kModeInterface,
                                       mode_vtable(), find_mode, this);
    if (r >= 0)
        r = sd_bus_add_fallback_vtable(handle, nullptr, bus::kModePrefix, bus::kVolumesInterface,
                                       volumes_vtable(), find_mode, this);
    if (r >= 0)
        r = sd_bus_add_fallback_vtable(handle, nullptr, bus::kModePrefix, bus::kFingersInterface,
                                       fingers_vtable(), find_mode, this);
    if (r >= 0)
        r = sd_bus_add_fallback_vtable(handle, nullptr, bus::kModePrefix, bus::kNetworkInterface,
                                       network_vtable(), find_mode, this);
    if (r >= 0) r = sd_bus_add_node_enumerator(handle, nullptr, bus::kModePrefix, list_modes, this);
    if (r >= 0) r = sd_bus_add_object_manager(handle, nullptr, bus::kManagerPath);
    if (r >= 0)
        r = sd_bus_match_signal(handle, nullptr, nullptr, "/org/freedesktop/DBus/Local",
                                "org.freedesktop.DBus.Local", "Disconnected", on_disconnected,
                                &connection);
    if (r < 0) return fail(errno_error(-r, "cannot publish the bus objects"));
    connection.ready = true;
    return {};
}

int Bus::on_disconnected(sd_bus_message*, void* userdata, sd_bus_error*) {
    auto& connection = *static_cast<Connection*>(userdata);
    Bus& bus = *connection.bus;
    connection.ready = false;
    // Not from within its own dispatch.
    bus.loop_.soon([&bus, &connection] { bus.dropped(connection); });
    return 0;
}

void Bus::dropped(Connection& connection) {
    const bool was_system = connection.system;
    // With the bus go all of its callers, whose unique names begin with a colon.
    supervisor_->drop_owners([&](const std::string& owner) {
        return was_system ? owner.starts_with(':') : owner == connection.id;
    });
    if (was_system) leave_system();
    connections_.remove_if([&](const Connection& c) { return &c == &connection; });
    if (was_system) retry_system();
}

int Bus::on_name_owner_changed(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto& connection = *static_cast<Connection*>(userdata);
    const char *name = nullptr, *before = nullptr, *after = nullptr;
    if (sd_bus_message_read(message, "sss", &name, &before, &after) < 0) return 0;
    if (*after == '\0')
        connection.bus->supervisor().drop_owners(
            [&](const std::string& owner) { return owner == name; });
    return 0;
}

std::string Bus::owner_of(sd_bus_message* message) {
    if (const char* sender = sd_bus_message_get_sender(message); sender != nullptr) return sender;
    for (const auto& connection : connections_)
        if (connection.handle.get() == sd_bus_message_get_bus(message)) return connection.id;
    return "nobody";
}

void Bus::mode_changed(const Mode& mode) {
    changed_.insert(mode.name);
    tell_later();
}

void Bus::foreground_changed() {
    front_changed_ = true;
    tell_later();
}

void Bus::tell_later() {
    constexpr std::size_t kMostUntold = 64;
    if (!changes_later_) {
        changes_later_ = loop_.when_idle([this] { tell_changes(); });
        // A loop that is never idle has to tell some time.
        at_latest_ = loop_.after(100ms, [this] { tell_changes(); });
    }
    // The others: out of memory for a source.
    if (!changes_later_ || !at_latest_ || untold_.size() >= kMostUntold) tell_changes();
}

void Bus::tell_changes() {
    changes_later_.reset();
    at_latest_.reset();
    const auto changed = std::exchange(changed_, {});
    const bool front = std::exchange(front_changed_, false);
    for (auto& connection : connections_) {
        if (!connection.ready) continue;
        for (const auto& mode : changed)
            sd_bus_emit_properties_changed(
                connection.handle.get(), mode_path(mode).c_str(), bus::kModeInterface, "State",
                "Reason", "Foreground", "Locked", "LockedBy", "Suspended", "Provisioned",
                "Recording", "OnCall", "UsesMicrophone", "UsesLoudspeaker", "Notifications", "Pid",
                "StartedAt", "ExitStatus", "PlanDigest", nullptr);
        if (front)
            sd_bus_emit_properties_changed(connection.handle.get(), bus::kManagerPath,
                                           bus::kManagerInterface, "Foreground", nullptr);
    }
    for (const auto& one : std::exchange(untold_, {})) send(one);
}

void Bus::progress(const Mode& mode, std::string_view operation, std::uint32_t permille,
                   std::string_view step) {
    tell_changes();
    for (auto& connection : connections_)
        if (connection.ready)
            sd_bus_emit_signal(connection.handle.get(), mode_path(mode.name).c_str(),
                               bus::kModeInterface, "Progress", "sus",
                               std::string(operation).c_str(), permille, std::string(step).c_str());
}

// Who asked for something is answered before others hear of it.
void Bus::event(std::string_view kind, std::string_view mode, const Details& details) {
    untold_.push_back({boot_time_usec(), std::string(kind), std::string(mode), details});
    tell_later();
}

void Bus::send(const Event& event) {
    for (auto& connection : connections_) {
        sd_bus_message* raw = nullptr;
        if (!connection.ready ||
            sd_bus_message_new_signal(connection.handle.get(), &raw, bus::kManagerPath,
                                      bus::kManagerInterface, "Event") < 0)
            continue;
        int r = sd_bus_message_append(raw, "tss", event.boot_usec, event.kind.c_str(),
                                      event.mode.c_str());
        if (r >= 0) r = append_details(raw, event.details);
        if (r >= 0) sd_bus_send(connection.handle.get(), raw, nullptr);
        sd_bus_message_unref(raw);
    }
}

}  // namespace pmos::daemon
