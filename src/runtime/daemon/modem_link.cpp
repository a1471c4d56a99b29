// daemon: pmosd's end of the modem's broker, which comes and goes as it likes: nobody waits for it,
// and a new one is told all of it again.
#include "runtime/daemon/modem_link.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace pmos::daemon {
namespace {

using namespace std::chrono_literals;
using event::MessagePtr;

constexpr std::uint64_t kAnswerLimit = 10000000;  // µs
constexpr auto kPause = 100ms;
constexpr unsigned kTries = 8;    // each after twice the pause: half a minute
constexpr auto kStaysAway = 30s;  // systemd starts it again at once
constexpr auto kReads = 5s;       // until a new one knows what ModemManager has

Result<> make_directory(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) == 0 ? ::chmod(path.c_str(), mode) == 0 : errno == EEXIST)
        return {};
    return fail(errno_error(errno, "cannot make '" + path + "'"));
}

int append(sd_bus_message* m, const modem::ModeRights& mode) {
    int r = sd_bus_message_open_container(m, 'r', modem::kModeFields);
    if (r >= 0)
        r = sd_bus_message_append(m, "suubbbb", mode.name.c_str(), mode.id_start, mode.id_count,
                                  int{mode.sms}, int{mode.voice}, int{mode.foreground},
                                  int{mode.running});
    if (r >= 0) r = event::append_strings(m, mode.numbers);
    if (r >= 0) r = event::append_strings(m, mode.lines);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

int append(sd_bus_message* m, const modem::Table& table) {
    int r = sd_bus_message_open_container(m, 'a', modem::kModeSignature);
    for (const auto& mode : table.modes)
        if (r >= 0) r = append(m, mode);
    if (r >= 0) r = sd_bus_message_close_container(m);
    if (r >= 0) r = sd_bus_message_append(m, "s", table.fallback.c_str());
    return r < 0 ? r : event::append_strings(m, table.emergency);
}

}  // namespace

// What a mode finds there is the broker's, and nothing else is below it.
Result<> make_modem_place(const Paths& paths, const std::string& mode) {
    PMOS_TRY(make_directory(paths.modem(), 0700));
    PMOS_TRY(make_directory(paths.modem_modes(), 0755));
    return make_directory(paths.modem_modes() + "/" + mode, 0755);
}

ModemLink::ModemLink(EventLoop& loop, std::string dir, Heard heard)
    : loop_(loop), dir_(std::move(dir)), heard_(std::move(heard)) {
    watch();
    try_in(0ms);
    given_up_ = loop_.after(kStaysAway, [this] { hear_calls(); });
}

// Its sockets appear when it starts; without a broker nothing is done again and again.
void ModemLink::watch() {
    static_cast<void>(make_directory(dir_, 0700));
    inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify_ || ::inotify_add_watch(inotify_.get(), dir_.c_str(), IN_CREATE) < 0) {
        why_not_ = errno_error(errno, "cannot watch '" + dir_ + "'").message();
        return;
    }
    appeared_ = loop_.on_io(inotify_.borrow(), EPOLLIN, [this](std::uint32_t) {
        char events[4096];
        while (::read(inotify_.get(), events, sizeof events) > 0) continue;
        tries_ = 0;
        if (!bus_) try_in(kPause);
    });
}

void ModemLink::try_in(std::chrono::milliseconds delay) {
    later_ = loop_.after(delay, [this] { connect(); });
}

void ModemLink::connect() {
    if (bus_) return;
    auto bus = open();
    if (!bus) {
        why_not_ = bus.error().message();
        if (tries_ < kTries) try_in(kPause * (1U << tries_++));
        return;
    }
    bus_ = std::move(*bus);
    fresh_ = true;
    send();
}

Result<event::BusPtr> ModemLink::open() {
    const std::string path = dir_ + "/control";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return fail(Code::usage, "the path '" + path + "' is too long for a socket");
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return fail(errno_error(errno, "cannot reach pmos-modem"));
    sd_bus* made = nullptr;
    int r = sd_bus_new(&made);
    if (r < 0) return fail(errno_error(-r, "cannot make a connection"));
    event::BusPtr bus(made);
    r = sd_bus_set_fd(made, fd.get(), fd.get());
    if (r >= 0) static_cast<void>(fd.release());
    if (r >= 0) r = sd_bus_start(made);
    if (r >= 0)
        r = sd_bus_match_signal(made, nullptr, nullptr, "/org/freedesktop/DBus/Local",
                                "org.freedesktop.DBus.Local", "Disconnected", on_disconnected,
                                this);
    if (r >= 0)
        r = sd_bus_match_signal(made, nullptr, nullptr, modem::kPath, modem::kControlInterface,
                                nullptr, on_signal, this);
    if (r >= 0) r = sd_bus_attach_event(made, loop_.get(), SD_EVENT_PRIORITY_NORMAL);
    if (r < 0) return fail(errno_error(-r, "cannot talk to pmos-modem"));
    return bus;
}

void ModemLink::tell(modem::Table table) {
    if (table == wanted_) return;
    wanted_ = std::move(table);
    if (bus_) send();
}

// One behind the other: the last one counts.
void ModemLink::send() {
    why_not_ = "pmos-modem has not answered yet";
    sd_bus_message* made = nullptr;
    int r = sd_bus_message_new_method_call(bus_.get(), &made, nullptr, modem::kPath,
                                           modem::kControlInterface, "SetTable");
    if (r < 0) return lost("cannot make a message");
    const MessagePtr call(made);
    r = append(made, wanted_);
    if (r < 0) return lost("cannot make a message");
    event::call_async(loop_, bus_.get(), made, kAnswerLimit,
                      [this, told = wanted_](Result<sd_bus_message*> reply) {
                          answered(told, std::move(reply));
                      });
}

void ModemLink::answered(const modem::Table& told, Result<sd_bus_message*> reply) {
    if (!reply) return lost(reply.error().message());
    tries_ = 0;
    if (std::exchange(fresh_, false)) {
        given_up_.reset();
        if (lost_) given_up_ = loop_.after(kReads, [this] { hear_calls(); });
    }
    if (told == wanted_) why_not_.clear();
    take_calls(*reply);
}

void ModemLink::take_calls(sd_bus_message* message) {
    std::vector<std::string> modes;
    if (event::read_strings(message, modes) < 0) return;
    latest_ = modes;
    if (!given_up_) return hear_calls();
    // Calls outlive the broker: none is over because a new one does not know it yet.
    for (const auto& mode : passed_on_)
        if (std::ranges::find(modes, mode) == modes.end()) modes.push_back(mode);
    passed_on_ = std::move(modes);
    heard_.on_call(passed_on_);
}

void ModemLink::hear_calls() {
    given_up_.reset();
    passed_on_ = latest_;
    heard_.on_call(passed_on_);
}

// Not from within its own dispatch.
void ModemLink::lost(std::string why) {
    why_not_ = std::move(why);
    lost_ = true;
    latest_.clear();
    // Not put off by one that comes and goes.
    if (!given_up_) given_up_ = loop_.after(kStaysAway, [this] { hear_calls(); });
    loop_.soon([this, gone = std::shared_ptr(std::move(bus_))] {
        try_in(kPause * (1U << tries_));
        tries_ = std::min(tries_ + 1, kTries);
    });
}

int ModemLink::on_disconnected(sd_bus_message*, void* userdata, sd_bus_error*) {
    static_cast<ModemLink*>(userdata)->lost("pmos-modem has gone");
    return 0;
}

int ModemLink::on_signal(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto& self = *static_cast<ModemLink*>(userdata);
    const std::string_view member = sd_bus_message_get_member(message);
    if (member == "CallsChanged") {
        self.take_calls(message);
        return 0;
    }
    const char* mode = nullptr;
    if (sd_bus_message_read(message, "s", &mode) < 0) return 0;
    if (member == "CallCame") self.heard_.call_came(mode);
    if (member == "MessageCame") self.heard_.message_came(mode);
    return 0;
}

}  // namespace pmos::daemon
