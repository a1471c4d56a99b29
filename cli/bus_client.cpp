// cli: calls to pmosd over the private socket or the system bus. Never prints.
#include "cli/bus_client.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <ctime>
#include <string_view>

#include "runtime/daemon/bus_names.h"

namespace pmos::cli {
namespace {

constexpr std::uint64_t kNoDeadline = UINT64_MAX;
constexpr const char* kUnreachableHint =
    "is pmosd running? see 'systemctl status pmosd' and 'journalctl -u pmosd'";

// The bus's own ways of saying what our codes say.
struct ForeignName {
    std::string_view name;
    Code code;
};
constexpr std::array kForeign{
    ForeignName{SD_BUS_ERROR_SERVICE_UNKNOWN, Code::unreachable},
    ForeignName{SD_BUS_ERROR_NAME_HAS_NO_OWNER, Code::unreachable},
    ForeignName{SD_BUS_ERROR_NO_REPLY, Code::unreachable},
    ForeignName{SD_BUS_ERROR_NO_SERVER, Code::unreachable},
    ForeignName{SD_BUS_ERROR_DISCONNECTED, Code::unreachable},
    ForeignName{SD_BUS_ERROR_UNKNOWN_OBJECT, Code::unknown_mode},
    ForeignName{SD_BUS_ERROR_INVALID_ARGS, Code::usage},
    ForeignName{SD_BUS_ERROR_NOT_SUPPORTED, Code::unsupported},
    ForeignName{SD_BUS_ERROR_UNKNOWN_METHOD, Code::unsupported},
    ForeignName{SD_BUS_ERROR_NO_MEMORY, Code::no_space},
    ForeignName{SD_BUS_ERROR_TIMEOUT, Code::timed_out},
};

Code code_of(std::string_view name) {
    for (const auto& foreign : kForeign)
        if (foreign.name == name) return foreign.code;
    return code_from_bus_name(name);
}

Error unreachable(std::string why) {
    Error e;
    e.code = Code::unreachable;
    e.what = "cannot reach pmosd";
    e.why = std::move(why);
    e.fix = kUnreachableHint;
    return e;
}

struct BusUnref {
    void operator()(sd_bus* bus) const { sd_bus_unref(bus); }
};
using NewBus = std::unique_ptr<sd_bus, BusUnref>;

template <class Function>
void forget(void* userdata) {
    delete static_cast<Function*>(userdata);
}

int reply_came(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto& on_reply = *static_cast<BusClient::OnReply*>(userdata);
    if (sd_bus_message_is_method_error(message, nullptr) > 0) {
        on_reply(fail(bus_error(sd_bus_message_get_error(message))));
    } else {
        on_reply(Message::share(message));
    }
    return 1;
}

int signal_came(sd_bus_message* message, void* userdata, sd_bus_error*) {
    (*static_cast<BusClient::OnSignal*>(userdata))(Message::share(message));
    return 0;
}

}  // namespace

Address manager() { return {bus::kManagerPath, bus::kManagerInterface}; }

Address mode_address(const std::string& mode) {
    char* path = nullptr;
    if (sd_bus_path_encode(bus::kModePrefix, mode.c_str(), &path) < 0)
        return {bus::kModePrefix, bus::kModeInterface};
    Address address{path, bus::kModeInterface};
    std::free(path);
    return address;
}

Address fingers_address(const std::string& mode) {
    return {mode_address(mode).path, bus::kFingersInterface};
}

std::string mode_of_path(const char* path) {
    char* name = nullptr;
    if (path == nullptr || sd_bus_path_decode(path, bus::kModePrefix, &name) <= 0) return "";
    std::string mode(name);
    std::free(name);
    return mode;
}

Error bus_errno(int negative, std::string what) {
    const int err = -negative;
    if (err == ECONNRESET || err == ENOTCONN || err == ECONNREFUSED || err == EPIPE)
        return unreachable(std::strerror(err));
    return errno_error(err, std::move(what));
}

Error bus_error(const sd_bus_error* error) {
    Error e;
    const std::string_view name = error->name == nullptr ? "" : error->name;
    const std::string_view text = error->message == nullptr ? name : error->message;
    e.code = code_of(name);
    const auto line_end = text.find('\n');
    e.what = text.substr(0, line_end);
    if (line_end != text.npos) {
        e.fix = text.substr(line_end + 1);
        if (e.fix.starts_with("hint: ")) e.fix.erase(0, 6);
    }
    if (e.code == Code::unreachable) return unreachable(e.what);
    if (e.code == Code::denied && e.fix.empty())
        e.fix = "run it as root or as a member of the group 'pmos'";
    if (name == SD_BUS_ERROR_UNKNOWN_OBJECT) {
        e.what = "there is no such mode";
        e.fix = "'pmosctl list' names the modes";
    }
    return e;
}

Result<BusClient> BusClient::connect_socket(const std::string& path) {
    sd_bus* raw = nullptr;
    int r = sd_bus_new(&raw);
    if (r < 0) return fail(bus_errno(r, "cannot make a connection"));
    NewBus bus(raw);
    // Escapes as the D-Bus specification has them, for whatever a path may hold.
    std::string address = "unix:path=";
    for (const char c : path) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) != 0 || c == '/' || c == '.' || c == '_' || c == '-') {
            address += c;
        } else {
            address += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
        }
    }
    r = sd_bus_set_address(bus.get(), address.c_str());
    if (r >= 0) r = sd_bus_negotiate_fds(bus.get(), 1);
    if (r >= 0) r = sd_bus_start(bus.get());
    if (r < 0) return fail(unreachable("'" + path + "': " + std::strerror(-r)));
    return BusClient(bus.release(), true);
}

Result<BusClient> BusClient::connect_system() {
    sd_bus* raw = nullptr;
    const int r = sd_bus_open_system(&raw);
    if (r < 0) return fail(unreachable(std::string("no system bus: ") + std::strerror(-r)));
    return BusClient(raw, false);
}

Result<BusClient> BusClient::connect(const BusTarget& target) {
    if (!target.socket.empty()) return connect_socket(target.socket);
    const bool own = ::geteuid() == 0 && ::access(bus::kPrivateSocket, F_OK) == 0;
    if (own && !target.system_bus) return connect_socket(bus::kPrivateSocket);
    return connect_system();
}

Result<Message> BusClient::new_call(const Address& to, const char* member) {
    sd_bus_message* raw = nullptr;
    const int r = sd_bus_message_new_method_call(bus_.get(), &raw, bus::kService, to.path.c_str(),
                                                 to.interface.c_str(), member);
    if (r < 0) return fail(bus_errno(r, "cannot make a request"));
    return Message(raw);
}

Result<Message> BusClient::call(const Message& request) {
    bool answered = false;
    Result<Message> reply = Message();
    PMOS_TRY(call_async(request, [&](Result<Message> r) {
        reply = std::move(r);
        answered = true;
    }));
    PMOS_TRY(run_until([&] { return answered; }));
    return reply;
}

Result<> BusClient::call_async(const Message& request, OnReply on_reply) {
    auto handler = std::make_unique<OnReply>(std::move(on_reply));
    sd_bus_slot* slot = nullptr;
    int r =
        sd_bus_call_async(bus_.get(), &slot, request.get(), reply_came, handler.get(), kNoDeadline);
    if (r < 0) return fail(bus_errno(r, "cannot send a request"));
    sd_bus_slot_set_destroy_callback(slot, forget<OnReply>);
    handler.release();
    sd_bus_slot_set_floating(slot, 1);
    sd_bus_slot_unref(slot);
    return {};
}

Result<> BusClient::listen(const std::string& path, const char* interface, const char* member,
                           OnSignal on_signal) {
    auto handler = std::make_unique<OnSignal>(std::move(on_signal));
    std::string rule =
        std::string("type='signal',interface='") + interface + "',member='" + member + "'";
    rule += path.ends_with("/*") ? ",path_namespace='" + path.substr(0, path.size() - 2) + "'"
                                 : ",path='" + path + "'";
    // Messages of a peer carry no sender.
    if (!peer_to_peer_) rule += std::string(",sender='") + bus::kService + "'";
    sd_bus_slot* slot = nullptr;
    const int r = sd_bus_add_match(bus_.get(), &slot, rule.c_str(), signal_came, handler.get());
    if (r < 0) return fail(bus_errno(r, "cannot listen to pmosd"));
    sd_bus_slot_set_destroy_callback(slot, forget<OnSignal>);
    handler.release();
    sd_bus_slot_set_floating(slot, 1);
    sd_bus_slot_unref(slot);
    return {};
}

Result<BusClient::Wait> BusClient::wait_for() {
    const int fd = sd_bus_get_fd(bus_.get());
    const int events = sd_bus_get_events(bus_.get());
    if (fd < 0 || events < 0) return fail(bus_errno(fd < 0 ? fd : events, "cannot wait for pmosd"));
    std::uint64_t until = kNoDeadline;
    const int r = sd_bus_get_timeout(bus_.get(), &until);
    if (r < 0) return fail(bus_errno(r, "cannot wait for pmosd"));
    if (until == kNoDeadline) return Wait{fd, static_cast<short>(events), -1};
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const auto now_us = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
                        static_cast<std::uint64_t>(now.tv_nsec) / 1000;
    const std::uint64_t ms = until <= now_us ? 0 : (until - now_us + 999) / 1000;
    return Wait{fd, static_cast<short>(events), ms > INT_MAX ? INT_MAX : static_cast<int>(ms)};
}

Result<> BusClient::dispatch() {
    for (;;) {
        const int r = sd_bus_process(bus_.get(), nullptr);
        if (r < 0) return fail(bus_errno(r, "lost pmosd"));
        if (r == 0) return {};
    }
}

Result<> BusClient::run_until(const std::function<bool()>& done) {
    while (!done()) {
        int r = sd_bus_process(bus_.get(), nullptr);
        if (r == 0) r = sd_bus_wait(bus_.get(), kNoDeadline);
        if (r < 0 && r != -EINTR) return fail(bus_errno(r, "lost pmosd"));
    }
    return {};
}

Result<std::string> read_string(const Message& message) {
    const char* text = nullptr;
    PMOS_TRY(read(message, "s", &text));
    return std::string(text);
}

Result<UniqueFd> read_fd(const Message& message) {
    int fd = -1;
    PMOS_TRY(read(message, "h", &fd));
    UniqueFd own(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!own) return fail(errno_error(errno, "cannot take a descriptor from pmosd"));
    return own;
}

}  // namespace pmos::cli
