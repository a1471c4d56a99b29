// tests: a fake pmosd of one's own, and pmosctl run against it with pipes or on a terminal.
#include "harness.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace pmos::cli::test {
namespace {

// A shell has its background commands ignore these, and so would all children here.
[[maybe_unused]] const bool kSignalsCount = std::signal(SIGINT, SIG_DFL) != SIG_ERR &&
                                            std::signal(SIGQUIT, SIG_DFL) != SIG_ERR &&
                                            std::signal(SIGHUP, SIG_DFL) != SIG_ERR;

// Only what hangs takes so long: on a machine that does other work a start takes seconds.
constexpr auto kPatience = std::chrono::minutes(1);

struct Pipe {
    Pipe() {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        reader.reset(ends[0]);
        writer.reset(ends[1]);
    }
    UniqueFd reader, writer;
};

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    REQUIRE(value != nullptr);
    return value;
}

[[noreturn]] void become(const Args& args) {
    std::vector<char*> argv;
    for (const auto& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(96);
}

}  // namespace

std::string pmosctl() { return variable("PMOSCTL"); }

pid_t spawn(const Args& args, int in, int out, int err) {
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid > 0) return pid;
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(err, 2);
    become(args);
}

int wait_status(pid_t pid) {
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string read_all(int fd) {
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(n));
    return text;
}

Service::Service() {
    char name[] = "/tmp/pmos-cli-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    dir_ = name;
    socket_ = dir_ + "/a socket";  // a space: the address must be escaped
    log_ = dir_ + "/log";
    Pipe input, output;
    const UniqueFd log(::open(log_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    REQUIRE(::write(log.get(), "one\ntwo\nthree\n", 14) == 14);
    pid_ = spawn({variable("FAKE_SERVICE"), socket_, log_}, input.reader.get(), output.writer.get(),
                 STDERR_FILENO);
    output.writer.reset();
    char ready[6];
    REQUIRE(::read(output.reader.get(), ready, sizeof ready) == 6);
    stdin_ = std::move(input.writer);
}

Service::~Service() {
    stdin_.reset();
    ::waitpid(pid_, nullptr, 0);
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
}

std::vector<std::string> Service::calls() const {
    std::ifstream file(log_ + ".calls");
    return {std::istream_iterator<std::string>(file), {}};
}

Outcome Service::run(Args args, const std::string& input) const {
    args.insert(args.begin(), {pmosctl(), "--socket", socket_});
    Pipe in, out, err;
    const pid_t pid = spawn(args, in.reader.get(), out.writer.get(), err.writer.get());
    in.reader.reset();
    out.writer.reset();
    err.writer.reset();
    REQUIRE(::write(in.writer.get(), input.data(), input.size()) ==
            static_cast<ssize_t>(input.size()));
    in.writer.reset();
    Outcome outcome;
    std::thread errors([&] { outcome.err = read_all(err.reader.get()); });
    outcome.out = read_all(out.reader.get());
    errors.join();
    outcome.status = wait_status(pid);
    return outcome;
}

Terminal::Terminal(const Service& service, Args args) {
    args.insert(args.begin(), {pmosctl(), "--socket", service.socket()});
    int master = -1, slave = -1;
    winsize size{};
    size.ws_row = 30;
    size.ws_col = 100;
    REQUIRE(::openpty(&master, &slave, nullptr, nullptr, &size) == 0);
    master_.reset(master);
    slave_.reset(slave);
    ::fcntl(master, F_SETFD, FD_CLOEXEC);
    ::fcntl(slave, F_SETFD, FD_CLOEXEC);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ > 0) return;
    ::login_tty(slave);
    ::setenv("TERM", "xterm", 1);
    ::unsetenv("NO_COLOR");
    become(args);
}

Terminal::~Terminal() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

bool Terminal::read_some(int timeout_ms) {
    pollfd wait{master_.get(), POLLIN, 0};
    if (::poll(&wait, 1, timeout_ms) <= 0) return false;
    char buffer[4096];
    const ssize_t n = ::read(master_.get(), buffer, sizeof buffer);
    if (n <= 0) return false;
    seen_.append(buffer, static_cast<std::size_t>(n));
    return true;
}

bool Terminal::has_ended() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

bool Terminal::wait_for(const std::string& text) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (seen_.find(text) == seen_.npos) {
        const bool ended = has_ended();
        if (read_some(50)) continue;
        if (!ended && std::chrono::steady_clock::now() < end) continue;
        UNSCOPED_INFO((ended ? "it ended: " : "it is not there in time: ") << seen_);
        return false;
    }
    return true;
}

void Terminal::type(const std::string& text) const {
    REQUIRE(::write(master_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

void Terminal::resize(unsigned short rows, unsigned short columns) const {
    winsize size{};
    size.ws_row = rows;
    size.ws_col = columns;
    REQUIRE(::ioctl(master_.get(), TIOCSWINSZ, &size) == 0);
}

void Terminal::signal(int number) const { REQUIRE(::kill(pid_, number) == 0); }

bool Terminal::echoes() const {
    termios settings{};
    REQUIRE(::tcgetattr(slave_.get(), &settings) == 0);
    return (settings.c_lflag & ECHO) != 0;
}

bool Terminal::canonical() const {
    termios settings{};
    REQUIRE(::tcgetattr(slave_.get(), &settings) == 0);
    return (settings.c_lflag & ICANON) != 0;
}

int Terminal::finish() {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    int status = 0;
    while (::waitpid(pid_, &status, WNOHANG) == 0) {
        read_some(20);
        if (std::chrono::steady_clock::now() > end) ::kill(pid_, SIGKILL);
    }
    while (read_some(0)) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string inheritable(const std::string& secret, UniqueFd& keep) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    REQUIRE(::write(ends[1], secret.data(), secret.size()) == static_cast<ssize_t>(secret.size()));
    ::close(ends[1]);
    keep.reset(ends[0]);
    return std::to_string(ends[0]);
}

}  // namespace pmos::cli::test
