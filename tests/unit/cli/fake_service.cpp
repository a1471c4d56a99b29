// test double: org.pmos.Runtime1 on a private socket, with made-up modes. For unit tests only.
// fake_service SOCKET LOGFILE: prints "ready" when it listens; ends with its standard input.
#include "fake_service.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string_view>

#include "runtime/daemon/bus_names.h"

namespace pmos::cli::fake {

std::string mode_name(const char* path) {
    char* name = nullptr;
    if (sd_bus_path_decode(path, bus::kModePrefix, &name) <= 0) return "";
    std::string out(name);
    std::free(name);
    return out;
}

namespace {

std::string mode_path(const std::string& mode) {
    char* path = nullptr;
    if (sd_bus_path_encode(bus::kModePrefix, mode.c_str(), &path) < 0) return "";
    std::string out(path);
    std::free(path);
    return out;
}

Mode& mode_of(World& world, sd_bus_message* m) {
    return world.modes.at(mode_name(sd_bus_message_get_path(m)));
}

void announce(World& world, const std::string& mode, const char* event = "state") {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    const auto us = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000;
    for (auto* peer : world.peers) {
        sd_bus_emit_properties_changed(peer, mode_path(mode).c_str(), bus::kModeInterface, "State",
                                       nullptr);
        sd_bus_emit_signal(peer, bus::kManagerPath, bus::kManagerInterface, "Event", "tssa{ss}", us,
                           event, mode.c_str(), 1, "to", world.modes[mode].state.c_str());
    }
}

int get_text(sd_bus*, const char* path, const char*, const char* property, sd_bus_message* reply,
             void* userdata, sd_bus_error*) {
    auto& world = *static_cast<World*>(userdata);
    const std::string_view name(property);
    if (name == "Version") return sd_bus_message_append(reply, "s", "9.9-fake");
    if (name == "Cgroup") return sd_bus_message_append(reply, "s", "/nonexistent");
    const auto& mode = world.modes.at(mode_name(path));
    if (name == "State") return sd_bus_message_append(reply, "s", mode.state.c_str());
    if (name == "Reason") return sd_bus_message_append(reply, "s", mode.reason.c_str());
    return sd_bus_message_append(reply, "s", mode_name(path).c_str());
}

int get_flag(sd_bus*, const char* path, const char*, const char* property, sd_bus_message* reply,
             void* userdata, sd_bus_error*) {
    const auto& mode = static_cast<World*>(userdata)->modes.at(mode_name(path));
    const std::string_view name(property);
    bool value = false;
    if (name == "Foreground") value = mode.foreground;
    if (name == "Locked") value = mode.locked;
    if (name == "Provisioned") value = mode.provisioned;
    if (name == "NeedsSecret") value = mode.needs_secret;
    return sd_bus_message_append(reply, "b", value ? 1 : 0);
}

int get_notifications(sd_bus*, const char* path, const char*, const char*, sd_bus_message* reply,
                      void* userdata, sd_bus_error*) {
    const auto& mode = static_cast<World*>(userdata)->modes.at(mode_name(path));
    return sd_bus_message_append(reply, "u", mode.notifications);
}

int get_attempts(sd_bus*, const char* path, const char*, const char* property,
                 sd_bus_message* reply, void* userdata, sd_bus_error*) {
    const auto& mode = static_cast<World*>(userdata)->modes.at(mode_name(path));
    if (std::string_view(property) == "Failures")
        return sd_bus_message_append(reply, "u", mode.failures);
    return sd_bus_message_append(reply, "t", mode.retry_after);
}

int get_pid(sd_bus*, const char* path, const char*, const char*, sd_bus_message* reply,
            void* userdata, sd_bus_error*) {
    const auto& mode = static_cast<World*>(userdata)->modes.at(mode_name(path));
    return sd_bus_message_append(reply, "u", mode.state == "running" ? 4711U : 0U);
}

int get_started(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*,
                sd_bus_error*) {
    return sd_bus_message_append(reply, "t", std::uint64_t{1});
}

int get_exit(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*,
             sd_bus_error*) {
    return sd_bus_message_append(reply, "i", std::int32_t{-1});
}

int start_method(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& world = *static_cast<World*>(userdata);
    auto& mode = mode_of(world, m);
    if (mode.state == "disabled")
        return sd_bus_error_set(error, "org.pmos.Error.ModeDisabled", mode.reason.c_str());
    if (mode.locked)
        return sd_bus_error_set(error, "org.pmos.Error.Locked",
                                "a volume is locked\nhint: pmosctl unlock it");
    const bool was = mode.state == "running";
    mode.state = "running";
    if (!was) announce(world, mode_name(sd_bus_message_get_path(m)));
    return sd_bus_reply_method_return(m, "b", was ? 0 : 1);
}

int stop_method(sd_bus_message* m, void* userdata, sd_bus_error*) {
    auto& world = *static_cast<World*>(userdata);
    mode_of(world, m).state = "stopped";
    announce(world, mode_name(sd_bus_message_get_path(m)));
    return sd_bus_reply_method_return(m, nullptr);
}

int lock_method(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& world = *static_cast<World*>(userdata);
    mode_of(world, m).locked = true;
    return stop_method(m, userdata, error);
}

int erase_method(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& world = *static_cast<World*>(userdata);
    mode_of(world, m).provisioned = false;
    return lock_method(m, userdata, error);
}

int provision_method(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& world = *static_cast<World*>(userdata);
    auto& mode = mode_of(world, m);
    int fd = -1;
    if (const int r = sd_bus_message_read(m, "h", &fd); r < 0) return r;
    const char* path = sd_bus_message_get_path(m);
    for (const std::uint32_t permille : {0U, 500U, 1000U})
        sd_bus_emit_signal(sd_bus_message_get_bus(m), path, bus::kModeInterface, "Progress", "sus",
                           "provision", permille, permille < 1000 ? "formatting" : "file system");
    if (read_all(fd) != kPin)
        return sd_bus_error_set(error, "org.pmos.Error.InvalidArgument", "not the PIN of the test");
    mode.provisioned = true;
    return sd_bus_reply_method_return(m, nullptr);
}

int unlock_method(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& world = *static_cast<World*>(userdata);
    auto& mode = mode_of(world, m);
    int fd = -1, start = 1;
    if (int r = sd_bus_message_read(m, "h", &fd); r < 0) return r;
    const char* option = nullptr;
    if (int r = sd_bus_message_read(m, "a{sv}", 1, &option, "b", &start); r < 0) return r;
    const std::string secret = read_all(fd);
    if (mode.retry_after > 0)
        return sd_bus_error_set(error, "org.pmos.Error.Throttled",
                                "too many wrong PINs: 5 in a row; this one was not tried\n"
                                "hint: try again in 4 min 10 s");
    if (secret != (mode.needs_secret ? kPin : "")) {
        if (++mode.failures == 5) mode.retry_after = 250;
        return sd_bus_error_set(error, "org.pmos.Error.WrongSecret",
                                "wrong PIN\nhint: 4 attempts left");
    }
    mode.locked = false;
    if (start != 0) mode.state = "running";
    if (start == 0) announce(world, "secure", "volume-reencrypt-interrupted");
    return sd_bus_reply_method_return(m, nullptr);
}

int logs_method(sd_bus_message* m, void* userdata, sd_bus_error*) {
    const int fd = ::open(static_cast<World*>(userdata)->log_path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    const int r = sd_bus_reply_method_return(m, "h", fd);
    ::close(fd);
    return r;
}

int inspect_method(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(m, "s", "{\"mode\":\"x\",\"volumes\":[]}");
}

int switch_method(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& world = *static_cast<World*>(userdata);
    const char* name = nullptr;
    if (const int r = sd_bus_message_read(m, "s", &name); r < 0) return r;
    if (*name != '\0' && !world.modes.contains(name))
        return sd_bus_error_setf(error, "org.pmos.Error.UnknownMode", "there is no mode '%s'",
                                 name);
    for (auto& [mode, data] : world.modes) data.foreground = mode == name;
    return sd_bus_reply_method_return(m, nullptr);
}

int stop_all_method(sd_bus_message* m, void* userdata, sd_bus_error*) {
    for (auto& [name, mode] : static_cast<World*>(userdata)->modes)
        if (mode.state == "running") mode.state = "stopped";
    return sd_bus_reply_method_return(m, nullptr);
}

int reload_method(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(m, "as", 1, "secure");
}

int doctor_method(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(m, "a(ssss)", 2, "ok", "cgroup", "version 2", "", "error",
                                      "dm-crypt", "not in this kernel", "load dm_crypt");
}

int append_file(sd_bus_message* reply, const char* path, std::string_view bytes,
                const char* error) {
    int r = sd_bus_message_open_container(reply, 'r', "says");
    if (r >= 0) r = sd_bus_message_append(reply, "s", path);
    if (r >= 0) r = sd_bus_message_append_array(reply, 'y', bytes.data(), bytes.size());
    if (r >= 0) r = sd_bus_message_append(reply, "s", error);
    return r >= 0 ? sd_bus_message_close_container(reply) : r;
}

int profiles_method(sd_bus_message* m, void*, sd_bus_error*) {
    sd_bus_message* reply = nullptr;
    int r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "(says)");
    if (r >= 0)
        r = append_file(reply, "far.json",
                        R"({"pmos": 1, "mode": "far", "extends": ["blocks/b.json"],
"root": {"image": "far.erofs"}, "identity": {"uidRange": {"start": 200000, "count": 65536}},
"process": {"args": ["/bin/true"]}, "seccomp": {"allow": ["@default"]}})",
                        "");
    if (r >= 0)
        r = append_file(reply, "blocks/b.json", R"({"pmos": 1, "network": "loopback"})", "");
    if (r >= 0) r = append_file(reply, "lost.json", "", "cannot read it");
    if (r >= 0) r = sd_bus_message_close_container(reply);
    if (r >= 0) r = sd_bus_send(nullptr, reply, nullptr);
    sd_bus_message_unref(reply);
    return r;
}

// Ends in the middle of a call, as a daemon that dies does.
int restart_method(sd_bus_message*, void*, sd_bus_error*) { ::_exit(1); }

const sd_bus_vtable kFingersTable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Unlock", "", "", finger_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Test", "", "", finger_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("List", "", "as", list_fingers_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Enroll", "sh", "", enroll_finger_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Remove", "h", "", remove_fingers_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END};

int devices_method(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(m, "a(sssa{ss})", 2, "gpu", "render", "/dev/null", 2,
                                      "personal", "always", "secure", "never", "camera\x1b[2J",
                                      "use", "/dev/nonexistent", 1, "personal", "never");
}

int device_grants_method(sd_bus_message* m, void*, sd_bus_error* error) {
    const char* mode = nullptr;
    if (const int r = sd_bus_message_read(m, "s", &mode); r < 0) return r;
    if (std::string_view(mode) != "personal")
        return sd_bus_error_set(error, "org.pmos.Error.UnknownMode", "no such mode");
    return sd_bus_reply_method_return(m, "a(sssas)", 2, "gpu", "render", "personal.json:24:14", 2,
                                      "/dev/null", "/dev/zero", "camera", "none", "", 0);
}

const sd_bus_vtable kManagerTable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Switch", "s", "", switch_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("StopAll", "", "", stop_all_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Reload", "", "as", reload_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Profiles", "", "a(says)", profiles_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Doctor", "", "a(ssss)", doctor_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Devices", "", "a(sssa{ss})", devices_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("DeviceGrants", "s", "a(sssas)", device_grants_method,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("Version", "s", get_text, 0, 0),
    SD_BUS_PROPERTY("Cgroup", "s", get_text, 0, 0),
    SD_BUS_SIGNAL("Event", "tssa{ss}", 0),
    SD_BUS_VTABLE_END};

// What pmosd saw of a mode that needs a call of its own, a device, and one that it may not have.
int record_method(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& world = *static_cast<World*>(userdata);
    if (mode_of(world, m).state != "stopped")
        return sd_bus_error_set(error, "org.pmos.Error.Busy", "it runs\nhint: stop it");
    // One waits for its turn, and somebody else starts the mode meanwhile.
    if (mode_name(sd_bus_message_get_path(m)) == "device") {
        world.recording = sd_bus_message_ref(m);
        mode_of(world, m).state = "running";
        return 1;
    }
    return sd_bus_reply_method_return(
        m, "aa{ss}t", 3, 7, "layer", "seccomp", "what", "sethostname", "verdict", "allowed", "why",
        "nothing names it", "key", "seccomp/allow", "value", "syncfs", "times", "3", 6, "layer",
        "device", "what", "/dev/video0", "verdict", "refused", "key", "devices/camera", "value",
        "foreground", "times", "1", 5, "layer", "seccomp", "what", "ptrace\x1b[2J", "verdict",
        "refused", "why", "it defeats the walls", "times", "2", std::uint64_t{4});
}

int end_record_method(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& world = *static_cast<World*>(userdata);
    if (world.recording == nullptr)
        return sd_bus_error_set(error, "org.pmos.Error.NotFound", "no recording of this caller");
    sd_bus_reply_method_errorf(world.recording, "org.pmos.Error.Cancelled",
                               "the recording was called off before it began");
    world.recording = sd_bus_message_unref(world.recording);
    return sd_bus_reply_method_return(m, nullptr);
}

const sd_bus_vtable kModeTable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Record", "a{sv}", "aa{ss}t", record_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("EndRecord", "", "", end_record_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Provision", "ha{sv}", "", provision_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Unlock", "ha{sv}", "", unlock_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Lock", "", "", lock_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Erase", "", "", erase_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Start", "", "b", start_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Stop", "a{sv}", "", stop_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Restart", "", "", restart_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Exec", "asa{sv}", "uah", exec_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("SignalExec", "ui", "", signal_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("WaitExec", "u", "i", wait_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Logs", "", "h", logs_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Inspect", "", "s", inspect_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("Name", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("State", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Reason", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Foreground", "b", get_flag, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Locked", "b", get_flag, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Provisioned", "b", get_flag, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("OnCall", "b", get_flag, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Notifications", "u", get_notifications, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("NeedsSecret", "b", get_flag, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Failures", "u", get_attempts, 0, 0),
    SD_BUS_PROPERTY("RetryAfter", "t", get_attempts, 0, 0),
    SD_BUS_PROPERTY("Pid", "u", get_pid, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("StartedAt", "t", get_started, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("ExitStatus", "i", get_exit, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_SIGNAL("Progress", "sus", 0),
    SD_BUS_VTABLE_END};

int find_mode(sd_bus*, const char* path, const char*, void* userdata, void** found, sd_bus_error*) {
    *found = userdata;
    return static_cast<World*>(userdata)->modes.contains(mode_name(path)) ? 1 : 0;
}

// "far" is a mode that profiles are told of, too.
int find_network(sd_bus* bus, const char* path, const char* interface, void* userdata, void** found,
                 sd_bus_error* error) {
    const int there = find_mode(bus, path, interface, userdata, found, error);
    return there != 0 || mode_name(path) != "far" ? there : 1;
}

int list_modes(sd_bus*, const char*, void* userdata, char*** nodes, sd_bus_error*) {
    const auto& modes = static_cast<World*>(userdata)->modes;
    auto** list = static_cast<char**>(std::calloc(modes.size() + 1, sizeof(char*)));
    if (list == nullptr) return -ENOMEM;
    std::size_t i = 0;
    for (const auto& [name, mode] : modes) list[i++] = ::strdup(mode_path(name).c_str());
    *nodes = list;
    return 0;
}

// A line for each call: what a pmosctl that gave up must not have asked for.
int note_call(sd_bus_message* m, void* userdata, sd_bus_error*) {
    if (sd_bus_message_is_method_call(m, nullptr, nullptr) > 0)
        std::ofstream(static_cast<World*>(userdata)->log_path + ".calls", std::ios::app)
            << sd_bus_message_get_member(m) << '\n';
    return 0;
}

int accept_peer(sd_event_source* source, int fd, std::uint32_t, void* userdata) {
    auto& world = *static_cast<World*>(userdata);
    const int peer = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (peer < 0) return 0;
    sd_bus* bus = nullptr;
    sd_id128_t id{};
    sd_id128_randomize(&id);
    sd_bus_new(&bus);
    sd_bus_set_fd(bus, peer, peer);
    sd_bus_set_server(bus, 1, id);
    sd_bus_negotiate_fds(bus, 1);
    int r = sd_bus_start(bus);
    if (r >= 0) r = sd_bus_add_filter(bus, nullptr, note_call, &world);
    if (r >= 0)
        r = sd_bus_add_object_vtable(bus, nullptr, bus::kManagerPath, bus::kManagerInterface,
                                     kManagerTable, &world);
    if (r >= 0)
        r = sd_bus_add_fallback_vtable(bus, nullptr, bus::kModePrefix, bus::kModeInterface,
                                       kModeTable, find_mode, &world);
    if (r >= 0)
        r = sd_bus_add_fallback_vtable(bus, nullptr, bus::kModePrefix, bus::kVolumesInterface,
                                       volumes_table(), find_mode, &world);
    if (r >= 0)
        r = sd_bus_add_fallback_vtable(bus, nullptr, bus::kModePrefix, bus::kFingersInterface,
                                       kFingersTable, find_mode, &world);
    if (r >= 0)
        r = sd_bus_add_fallback_vtable(bus, nullptr, bus::kModePrefix, bus::kNetworkInterface,
                                       network_table(), find_network, &world);
    if (r >= 0) r = sd_bus_add_node_enumerator(bus, nullptr, bus::kModePrefix, list_modes, &world);
    if (r >= 0) r = sd_bus_add_object_manager(bus, nullptr, bus::kManagerPath);
    if (r >= 0) r = sd_bus_attach_event(bus, sd_event_source_get_event(source), 0);
    if (r < 0) std::fprintf(stderr, "fake_service: %s\n", std::strerror(-r));
    world.peers.push_back(bus);
    return 0;
}

int child_ended(sd_event_source*, const signalfd_siginfo*, void* userdata) {
    reap(*static_cast<World*>(userdata));
    return 0;
}

int parent_left(sd_event_source* source, int fd, std::uint32_t, void*) {
    char byte = 0;
    if (::read(fd, &byte, 1) <= 0) sd_event_exit(sd_event_source_get_event(source), 0);
    return 0;
}

int listen_at(const char* path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(fd, 8) != 0)
        return -1;
    return fd;
}

int serve(const char* socket_path, const char* log_path) {
    World world;
    world.log_path = log_path;
    world.modes["personal"] = {"running", "", true, false, true, false};
    world.modes["personal"].notifications = 2;
    world.modes["secure"] = {"stopped", "", false, true, true, true};
    world.modes["fresh"] = {"stopped", "", false, true, false, true};
    world.modes["device"] = {"stopped", "", false, true, true, false};
    world.modes["broken"] = {"disabled", "profile is broken\x1b[2J", false, false, false, false};
    world.modes["cold"] = {"frozen", "", false, false, true, false};
    const int listener = listen_at(socket_path);
    if (listener < 0) return 1;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    sd_event* event = nullptr;
    sd_event_new(&event);
    sd_event_add_io(event, nullptr, listener, EPOLLIN, accept_peer, &world);
    sd_event_add_signal(event, nullptr, SIGCHLD, child_ended, &world);
    sd_event_add_io(event, nullptr, STDIN_FILENO, EPOLLIN, parent_left, &world);
    std::puts("ready");
    std::fflush(stdout);
    return sd_event_loop(event);
}

}  // namespace
}  // namespace pmos::cli::fake

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    return pmos::cli::fake::serve(argv[1], argv[2]);
}
