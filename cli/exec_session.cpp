// cli: one command inside a mode, from its Exec call to its exit status: bytes, window size and
// signals are passed on. The terminal is as before on every way out.
#include "cli/exec_session.h"

#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>

#include "cli/exec_stdio.h"
#include "cli/pump.h"
#include "cli/terminal.h"
#include "runtime/daemon/bus_names.h"

namespace pmos::cli {
namespace {

constexpr std::array kForwarded{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
// After the command has ended: how long its last output may take to arrive, and how much may
// come of descendants that still write.
constexpr int kDrainIdleMs = 100;
constexpr std::size_t kDrainBytes = std::size_t{1} << 20;
constexpr std::string_view kEndOfInput = "\x04";  // VEOF of a fresh pty

// Collects what sd-bus says while options are appended: the first error wins.
class Writer {
  public:
    explicit Writer(sd_bus_message* m) : m_(m) {}
    void open(char type, const char* contents) {
        keep(sd_bus_message_open_container(m_, type, contents));
    }
    void close() { keep(sd_bus_message_close_container(m_)); }
    template <class... Args>
    void append(const char* types, Args... args) {
        keep(sd_bus_message_append(m_, types, args...));
    }
    void strings(const std::vector<std::string>& values) {
        open('a', "s");
        for (const auto& value : values) append("s", value.c_str());
        close();
    }
    int result() const { return result_; }

  private:
    void keep(int r) {
        if (r < 0 && result_ >= 0) result_ = r;
    }
    sd_bus_message* m_;
    int result_ = 0;
};

void append_options(Writer& w, const ExecRequest& request, const ExecStdio& stdio,
                    WindowSize size) {
    w.open('a', "{sv}");
    if (!request.env.empty()) {
        w.open('e', "sv");
        w.append("s", "env");
        w.open('v', "as");
        w.strings(request.env);
        w.close();
        w.close();
    }
    if (!request.cwd.empty()) w.append("{sv}", "cwd", "s", request.cwd.c_str());
    if (request.user) w.append("{sv}", "user", "u", *request.user);
    if (request.group) w.append("{sv}", "group", "u", *request.group);
    if (request.tty) {
        w.append("{sv}", "tty", "b", 1);
        w.append("{sv}", "rows", "q", static_cast<int>(size.rows));
        w.append("{sv}", "columns", "q", static_cast<int>(size.columns));
    } else {
        w.append("{sv}", "stdio", "ah", 3, stdio.remote[0].get(), stdio.remote[1].get(),
                 stdio.remote[2].get());
    }
    w.close();
}

// A refusal of the caller and a program that may not be executed have the same name on the bus;
// who may read a property may call.
bool caller_is_refused(BusClient& bus, const std::string& mode) {
    const auto answer = bus.call({mode_address(mode).path, "org.freedesktop.DBus.Properties"},
                                 "Get", "ss", bus::kModeInterface, "State");
    return !answer && answer.error().code == Code::denied;
}

class Session {
  public:
    Session(BusClient& bus, const ExecRequest& request) : bus_(bus), request_(request) {}

    Result<int> run();

  private:
    Result<> begin();
    Result<> take_answer(const Message& answer);
    Result<> attach_terminal();
    Result<> catch_signals();
    Result<> follow();
    Result<> drain();
    Result<> handle_signal();
    void forward(int signal);
    void resize();

    BusClient& bus_;
    const ExecRequest& request_;
    ExecStdio stdio_;
    UniqueFd master_, signals_;
    std::optional<TerminalGuard> raw_;
    std::uint32_t id_ = 0;
    bool ended_ = false, ending_ = false;
    Result<int> status_ = 0;
};

Result<> Session::begin() {
    if (!request_.tty) {
        PMOS_ASSIGN(stdio_, make_exec_stdio({BorrowedFd(STDIN_FILENO), BorrowedFd(STDOUT_FILENO),
                                             BorrowedFd(STDERR_FILENO)}));
    }
    PMOS_ASSIGN(const auto call, bus_.new_call(mode_address(request_.mode), "Exec"));
    Writer w(call.get());
    w.strings(request_.command);
    append_options(w, request_, stdio_, window_size(BorrowedFd(STDOUT_FILENO)));
    if (w.result() < 0) return fail(bus_errno(w.result(), "cannot make a request"));
    auto answer = bus_.call(call);
    if (!answer) {
        Error error = std::move(answer.error());
        const bool of_command =
            error.code == Code::not_found ||
            (error.code == Code::denied && !caller_is_refused(bus_, request_.mode));
        if (of_command) error.step = "exec";
        if (of_command && error.code == Code::denied) error.fix.clear();
        return fail(std::move(error));
    }
    for (auto& fd : stdio_.remote) fd.reset();
    return take_answer(*answer);
}

Result<> Session::take_answer(const Message& answer) {
    PMOS_TRY(read(answer, "u", &id_));
    if (!request_.tty) return {};
    const int r = sd_bus_message_enter_container(answer.get(), 'a', "h");
    if (r < 0) return fail(bus_errno(r, "cannot read pmosd's answer"));
    PMOS_ASSIGN(master_, read_fd(answer));
    return set_nonblocking(master_.borrow());
}

Result<> Session::attach_terminal() {
    if (!request_.tty) return {};
    const bool terminal = ::isatty(STDIN_FILENO) != 0;
    // A pty ends its input by a character; a terminal that is raw has no end of its own.
    Channel input(BorrowedFd(STDIN_FILENO), master_.borrow(), terminal ? "" : kEndOfInput);
    input.tolerate_lost_reader();
    stdio_.channels.push_back(std::move(input));
    stdio_.channels.emplace_back(master_.borrow(), BorrowedFd(STDOUT_FILENO));
    if (terminal) {
        PMOS_ASSIGN(auto guard, TerminalGuard::raw(BorrowedFd(STDIN_FILENO)));
        raw_.emplace(std::move(guard));
    }
    resize();  // it may have changed since Exec was called
    return {};
}

Result<> Session::catch_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : kForwarded) sigaddset(&set, signal);
    if (request_.tty) sigaddset(&set, SIGWINCH);
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0)
        return fail(errno_error(errno, "cannot block signals"));
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) return fail(errno_error(errno, "cannot watch for signals"));
    std::signal(SIGPIPE, SIG_IGN);
    return {};
}

void Session::forward(int signal) {
    const auto call = bus_.new_call(mode_address(request_.mode), "SignalExec");
    if (!call) return;
    // It may have ended meanwhile; WaitExec's answer says the rest.
    if (sd_bus_message_append(call->get(), "ui", id_, signal) >= 0)
        (void)bus_.call_async(*call, [](Result<Message>) {});
}

void Session::resize() {
    if (!master_) return;
    const auto size = window_size(BorrowedFd(STDOUT_FILENO));
    winsize raw{};
    raw.ws_row = size.rows;
    raw.ws_col = size.columns;
    ::ioctl(master_.get(), TIOCSWINSZ, &raw);
}

Result<> Session::handle_signal() {
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return {};
    const int signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGWINCH) {
        resize();
        return {};
    }
    const bool end = signal == SIGTERM || signal == SIGHUP;
    // The second time is meant for pmosctl: it leaves, and pmosd ends what it has started.
    if (end && ending_) {
        ended_ = true;
        status_ = 128 + signal;
        return {};
    }
    ending_ = ending_ || end;
    forward(signal);
    return {};
}

Result<> Session::follow() {
    PMOS_ASSIGN(const auto wait_call, bus_.new_call(mode_address(request_.mode), "WaitExec"));
    if (const int r = sd_bus_message_append(wait_call.get(), "u", id_); r < 0)
        return fail(bus_errno(r, "cannot make a request"));
    PMOS_TRY(bus_.call_async(wait_call, [this](Result<Message> answer) {
        ended_ = true;
        std::int32_t code = 0;
        if (!answer) {
            status_ = fail(std::move(answer.error()));
        } else if (auto r = read(*answer, "i", &code); !r) {
            status_ = fail(std::move(r.error()));
        } else {
            status_ = code & 0xFF;
        }
    }));
    for (;;) {
        PMOS_TRY(bus_.dispatch());
        if (ended_) return {};
        PMOS_ASSIGN(const auto wait, bus_.wait_for());
        PMOS_ASSIGN(
            const auto events,
            poll_once(stdio_.channels, {{wait.fd, wait.events, 0}, {signals_.get(), POLLIN, 0}},
                      wait.timeout_ms));
        if (events[1] != 0) PMOS_TRY(handle_signal());
        if (ended_) return {};
    }
}

// What the command wrote before it ended may still be on its way.
Result<> Session::drain() {
    auto& channels = stdio_.channels;
    std::erase_if(channels, [](const Channel& c) { return c.from().get() == STDIN_FILENO; });
    const auto carried = [&] {
        std::size_t sum = 0;
        for (const auto& channel : channels) sum += channel.carried();
        return sum;
    };
    const std::size_t before = carried();
    while (!std::ranges::all_of(channels, &Channel::drained)) {
        const bool busy = std::ranges::any_of(channels, &Channel::wants_write);
        const std::size_t last = carried();
        PMOS_ASSIGN(const auto events,
                    poll_once(channels, {{signals_.get(), POLLIN, 0}}, busy ? -1 : kDrainIdleMs));
        const bool idle = !busy && carried() == last;
        if (idle || events[0] != 0) return {};
        if (carried() - before > kDrainBytes)
            for (auto& channel : channels) channel.stop_reading();
    }
    return {};
}

Result<int> Session::run() {
    PMOS_TRY(begin());
    PMOS_TRY(catch_signals());
    PMOS_TRY(attach_terminal());
    PMOS_TRY(follow());
    PMOS_TRY(drain());
    raw_.reset();
    for (const auto& channel : stdio_.channels)
        if (channel.error()) return fail(*channel.error());
    return std::move(status_);
}

}  // namespace

Result<int> run_in_mode(BusClient& bus, const ExecRequest& request) {
    return Session(bus, request).run();
}

}  // namespace pmos::cli
