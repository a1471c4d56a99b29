// test double: Exec, SignalExec and WaitExec, done by fork and exec on this machine.
#include <fcntl.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "fake_service.h"

namespace pmos::cli::fake {
namespace {

struct Request {
    std::vector<std::string> command, env;
    std::string cwd;
    bool tty = false;
    std::uint16_t rows = 0, columns = 0;
    std::array<int, 3> stdio{-1, -1, -1};
};

std::vector<std::string> read_strings(sd_bus_message* m) {
    std::vector<std::string> out;
    char** raw = nullptr;
    if (sd_bus_message_read_strv(m, &raw) < 0 || raw == nullptr) return out;
    for (char** s = raw; *s != nullptr; ++s) {
        out.emplace_back(*s);
        std::free(*s);
    }
    std::free(raw);
    return out;
}

void read_option(sd_bus_message* m, std::string_view name, Request& request) {
    const char* text = nullptr;
    int flag = 0;
    if (name == "cwd" && sd_bus_message_read(m, "v", "s", &text) > 0) {
        request.cwd = text;
    } else if (name == "tty" && sd_bus_message_read(m, "v", "b", &flag) > 0) {
        request.tty = flag != 0;
    } else if (name == "rows") {
        sd_bus_message_read(m, "v", "q", &request.rows);
    } else if (name == "columns") {
        sd_bus_message_read(m, "v", "q", &request.columns);
    } else if (name == "env") {
        sd_bus_message_enter_container(m, 'v', "as");
        request.env = read_strings(m);
        sd_bus_message_exit_container(m);
    } else if (name == "stdio") {
        sd_bus_message_read(m, "v", "ah", 3, &request.stdio[0], &request.stdio[1],
                            &request.stdio[2]);
    } else {
        sd_bus_message_skip(m, "v");
    }
}

Request read_request(sd_bus_message* m) {
    Request request;
    request.command = read_strings(m);
    sd_bus_message_enter_container(m, 'a', "{sv}");
    while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
        const char* name = nullptr;
        sd_bus_message_read(m, "s", &name);
        read_option(m, name, request);
        sd_bus_message_exit_container(m);
    }
    return request;
}

[[noreturn]] void become(const Request& request, int report) {
    if (!request.cwd.empty() && ::chdir(request.cwd.c_str()) != 0) ::_exit(99);
    for (const auto& entry : request.env) ::putenv(const_cast<char*>(entry.c_str()));
    std::vector<char*> argv;
    for (const auto& word : request.command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execvp(argv[0], argv.data());
    const int err = errno;
    if (::write(report, &err, sizeof err) < 0) ::_exit(98);
    ::_exit(97);
}

pid_t spawn(const Request& request, int* master, int report) {
    if (request.tty) {
        winsize size{};
        size.ws_row = request.rows;
        size.ws_col = request.columns;
        const pid_t pid = ::forkpty(master, nullptr, nullptr, &size);
        if (pid == 0) become(request, report);
        return pid;
    }
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::setsid();
    for (int i = 0; i < 3; ++i) ::dup2(request.stdio[static_cast<std::size_t>(i)], i);
    become(request, report);
}

int answer(sd_bus_message* m, const Request& request, std::uint32_t session, int master) {
    if (!request.tty) return sd_bus_reply_method_return(m, "uah", session, 0);
    const int r = sd_bus_reply_method_return(m, "uah", session, 1, master);
    ::close(master);
    return r;
}

}  // namespace

int exec_method(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& world = *static_cast<World*>(userdata);
    if (std::string_view(sd_bus_message_get_path(m)).ends_with("/cold"))
        return sd_bus_error_set(error, "org.pmos.Error.Frozen",
                                "mode 'cold' is frozen\nhint: pmosctl switch cold");
    const Request request = read_request(m);
    for (const int fd : request.stdio)
        if (fd >= 0 && ::isatty(fd) != 0)
            return sd_bus_error_set(error, "org.pmos.Error.InvalidArgument", "a terminal came in");
    int report[2];
    if (::pipe2(report, O_CLOEXEC) != 0) return -errno;
    int master = -1;
    const pid_t pid = spawn(request, &master, report[1]);
    if (pid < 0) return -errno;
    ::close(report[1]);
    int err = 0;
    const bool failed = ::read(report[0], &err, sizeof err) == sizeof err;
    ::close(report[0]);
    if (failed) {
        ::waitpid(pid, nullptr, 0);
        if (master >= 0) ::close(master);
        return sd_bus_error_setf(
            error,
            err == ENOENT ? "org.pmos.Error.NotFound" : "org.freedesktop.DBus.Error.AccessDenied",
            "cannot execute '%s': %s", request.command[0].c_str(), std::strerror(err));
    }
    const std::uint32_t session = world.next_session++;
    world.execs[session] = Exec{pid, false, 0, nullptr};
    return answer(m, request, session, master);
}

int signal_method(sd_bus_message* m, void* userdata, sd_bus_error*) {
    auto& world = *static_cast<World*>(userdata);
    std::uint32_t session = 0;
    std::int32_t signal = 0;
    const int r = sd_bus_message_read(m, "ui", &session, &signal);
    if (r < 0) return r;
    const auto it = world.execs.find(session);
    if (it != world.execs.end() && !it->second.ended) ::kill(it->second.pid, signal);
    return sd_bus_reply_method_return(m, nullptr);
}

int wait_method(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& world = *static_cast<World*>(userdata);
    std::uint32_t session = 0;
    const int r = sd_bus_message_read(m, "u", &session);
    if (r < 0) return r;
    const auto it = world.execs.find(session);
    if (it == world.execs.end())
        return sd_bus_error_set(error, "org.pmos.Error.NotFound", "there is no such session");
    if (it->second.ended) return sd_bus_reply_method_return(m, "i", it->second.status);
    it->second.waiter = sd_bus_message_ref(m);
    return 1;
}

void reap(World& world) {
    for (auto& [session, exec] : world.execs) {
        int status = 0;
        if (exec.ended || ::waitpid(exec.pid, &status, WNOHANG) != exec.pid) continue;
        exec.ended = true;
        exec.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (exec.waiter == nullptr) continue;
        sd_bus_reply_method_return(exec.waiter, "i", exec.status);
        sd_bus_message_unref(exec.waiter);
        exec.waiter = nullptr;
    }
}

}  // namespace pmos::cli::fake
