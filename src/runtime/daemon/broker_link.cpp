// daemon: pmosd's end of a broker, which comes and goes as it likes: nobody waits for it.
#include "runtime/daemon/broker_link.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace pmos::daemon {
namespace {

using namespace std::chrono_literals;
using event::MessagePtr;

constexpr auto kPause = 100ms;
constexpr unsigned kTries = 8;  // each after twice the pause: half a minute

// Of who listens at the other end, as long as that one lives.
UniqueFd process_of(BorrowedFd socket) {
    ucred who{};
    socklen_t size = sizeof who;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return {};
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, who.pid, 0)));
}

}  // namespace

Result<> make_broker_directory(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) == 0 ? ::chmod(path.c_str(), mode) == 0 : errno == EEXIST)
        return {};
    return fail(errno_error(errno, "cannot make '" + path + "'"));
}

BrokerLink::BrokerLink(EventLoop& loop, Broker broker, Heard heard)
    : loop_(loop), broker_(std::move(broker)), heard_(std::move(heard)) {
    watch();
    try_in(0ms);
}

// Its sockets appear when it starts; without a broker nothing is done again and again.
void BrokerLink::watch() {
    static_cast<void>(make_broker_directory(broker_.dir, 0700));
    inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify_ || ::inotify_add_watch(inotify_.get(), broker_.dir.c_str(), IN_CREATE) < 0) {
        why_not_ = errno_error(errno, "cannot watch '" + broker_.dir + "'").message();
        return;
    }
    appeared_ = loop_.on_io(inotify_.borrow(), EPOLLIN, [this](std::uint32_t) {
        char events[4096];
        while (::read(inotify_.get(), events, sizeof events) > 0) continue;
        tries_ = 0;
        if (!bus_) try_in(kPause);
    });
}

void BrokerLink::try_in(std::chrono::milliseconds delay) {
    later_ = loop_.after(delay, [this] { connect(); });
}

void BrokerLink::connect() {
    if (bus_) return;
    auto bus = open();
    if (!bus) {
        why_not_ = bus.error().message();
        if (tries_ < kTries) try_in(kPause * (1U << tries_++));
        return;
    }
    bus_ = std::move(*bus);
    heard_.connected();
}

Result<event::BusPtr> BrokerLink::open() {
    const std::string path = broker_.dir + "/control";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return fail(Code::usage, "the path '" + path + "' is too long for a socket");
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return fail(errno_error(errno, fmt::format("cannot reach {}", broker_.name)));
    process_ = process_of(fd.borrow());
    sd_bus* made = nullptr;
    int r = sd_bus_new(&made);
    if (r < 0) return fail(errno_error(-r, "cannot make a connection"));
    event::BusPtr bus(made);
    r = sd_bus_set_fd(made, fd.get(), fd.get());
    if (r >= 0) static_cast<void>(fd.release());
    if (r >= 0) r = heard_.prepare(made);
    if (r >= 0) r = sd_bus_start(made);
    if (r >= 0)
        r = sd_bus_match_signal(made, nullptr, nullptr, "/org/freedesktop/DBus/Local",
                                "org.freedesktop.DBus.Local", "Disconnected", on_disconnected,
                                this);
    if (r >= 0)
        r = sd_bus_match_signal(made, nullptr, nullptr, broker_.path, broker_.interface, nullptr,
                                on_signal, this);
    if (r >= 0) r = sd_bus_attach_event(made, loop_.get(), SD_EVENT_PRIORITY_NORMAL);
    if (r < 0) return fail(errno_error(-r, fmt::format("cannot talk to {}", broker_.name)));
    return bus;
}

void BrokerLink::call(const char* member, const std::function<int(sd_bus_message*)>& append,
                      std::chrono::microseconds limit, event::AnswerMessage answer) {
    if (!bus_) return;
    sd_bus_message* made = nullptr;
    if (sd_bus_message_new_method_call(bus_.get(), &made, nullptr, broker_.path, broker_.interface,
                                       member) < 0)
        return lose("cannot make a message");
    const MessagePtr message(made);
    if (append(made) < 0) return lose("cannot make a message");
    event::call_async(loop_, bus_.get(), made, static_cast<std::uint64_t>(limit.count()),
                      std::move(answer));
}

// Not from within its own dispatch.
void BrokerLink::lose(std::string why) {
    why_not_ = std::move(why);
    later_ = loop_.after(0ms, [this, gone = std::shared_ptr(std::move(bus_))] {
        try_in(kPause * (1U << tries_));
        tries_ = std::min(tries_ + 1, kTries);
    });
    heard_.lost();
}

int BrokerLink::on_disconnected(sd_bus_message*, void* userdata, sd_bus_error*) {
    auto& self = *static_cast<BrokerLink*>(userdata);
    self.lose(fmt::format("{} has gone", self.broker_.name));
    return 0;
}

int BrokerLink::on_signal(sd_bus_message* message, void* userdata, sd_bus_error*) {
    static_cast<BrokerLink*>(userdata)->heard_.signal(sd_bus_message_get_member(message), message);
    return 0;
}

}  // namespace pmos::daemon
