// bench: pmosd as a program that stays connected to it uses it. `bus start|each|all|switch|exec
// SOCKET ...` takes turns; `bus call|pid SOCKET MODE ...` is one question. Knows nothing but the
// bus.
#include <fcntl.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

#include "runtime/daemon/bus_names.h"
#include "worker.h"

namespace {

using pmos::bench::now_ns;
using pmos::bench::Times;

constexpr std::uint64_t kTimeoutUsec = 60'000'000;

std::string object_path(const char* mode) {
    char* path = nullptr;
    if (::sd_bus_path_encode(pmos::bus::kModePrefix, mode, &path) < 0) return "";
    std::string text = path;
    std::free(path);
    return text;
}

sd_bus* connect_to(const char* socket) {
    sd_bus* bus = nullptr;
    const std::string address = std::string("unix:path=") + socket;
    if (::sd_bus_new(&bus) < 0 || ::sd_bus_set_address(bus, address.c_str()) < 0 ||
        ::sd_bus_negotiate_fds(bus, 1) < 0 || ::sd_bus_start(bus) < 0)
        return nullptr;
    return bus;
}

class Client {
  public:
    explicit Client(sd_bus* bus) : bus_(bus) {}
    // nullptr, or why not. `reply` may be null.
    const char* call(const std::string& path, const char* interface, const char* method,
                     sd_bus_message* message, sd_bus_message** reply = nullptr) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        const int result = ::sd_bus_call(bus_, message, kTimeoutUsec, &error, reply);
        ::sd_bus_message_unref(message);
        if (result >= 0) return nullptr;
        text_ = path + ' ' + interface + '.' + method + ": " +
                (error.message != nullptr ? error.message : std::strerror(-result));
        for (char& c : text_)
            if (c == '\n') c = ' ';
        ::sd_bus_error_free(&error);
        return text_.c_str();
    }
    sd_bus_message* message(const std::string& path, const char* interface, const char* method) {
        sd_bus_message* m = nullptr;
        ::sd_bus_message_new_method_call(bus_, &m, nullptr, path.c_str(), interface, method);
        return m;
    }
    const char* call_mode(const std::string& path, const char* method) {
        sd_bus_message* m = message(path, pmos::bus::kModeInterface, method);
        if (std::strcmp(method, "Stop") == 0) {
            ::sd_bus_message_open_container(m, 'a', "{sv}");
            ::sd_bus_message_close_container(m);
        }
        return call(path, pmos::bus::kModeInterface, method, m);
    }
    sd_bus* bus() { return bus_; }

  private:
    sd_bus* bus_;
    std::string text_;
};

int serve_start(Client& client, const char* mode) {
    const std::string path = object_path(mode);
    return pmos::bench::serve_turns([&] {
        Times times;
        const std::int64_t begin = now_ns();
        times.error = client.call_mode(path, "Start");
        times.ready = now_ns() - begin;
        if (times.error == nullptr) times.error = client.call_mode(path, "Stop");
        times.end = now_ns() - begin;
        return times;
    });
}

// The next of the modes each turn; they stay.
int serve_each(Client& client, std::span<char* const> modes) {
    std::size_t next = 0;
    return pmos::bench::serve_turns([&] {
        Times times;
        if (next == modes.size()) return Times{"there are no more modes", 0, 0, 0};
        const std::string path = object_path(modes[next++]);
        const std::int64_t begin = now_ns();
        times.error = client.call_mode(path, "Start");
        times.ready = times.end = now_ns() - begin;
        return times;
    });
}

struct Answers {
    std::size_t left = 0;
    bool refused = false;
};

int take_answer(sd_bus_message* reply, void* userdata, sd_bus_error*) {
    auto* answers = static_cast<Answers*>(userdata);
    answers->left -= 1;
    answers->refused |= ::sd_bus_message_is_method_error(reply, nullptr) > 0;
    return 0;
}

// All of the modes in one turn, none of them waited for before the next is asked for.
int serve_all(Client& client, std::span<char* const> modes) {
    return pmos::bench::serve_turns([&] {
        Times times;
        Answers answers{modes.size(), false};
        const std::int64_t begin = now_ns();
        for (const char* mode : modes) {
            sd_bus_message* m =
                client.message(object_path(mode), pmos::bus::kModeInterface, "Start");
            if (::sd_bus_call_async(client.bus(), nullptr, m, take_answer, &answers, kTimeoutUsec) <
                0)
                return Times{"sd_bus_call_async", 0, 0, 0};
            ::sd_bus_message_unref(m);
        }
        while (answers.left > 0) {
            const int did = ::sd_bus_process(client.bus(), nullptr);
            if (did < 0) return Times{"sd_bus_process", -did, 0, 0};
            if (did == 0) ::sd_bus_wait(client.bus(), kTimeoutUsec);
        }
        times.ready = times.end = now_ns() - begin;
        if (answers.refused) times.error = "one of them did not start";
        return times;
    });
}

int serve_switch(Client& client, const char* first, const char* second) {
    bool to_first = true;
    return pmos::bench::serve_turns([&] {
        Times times;
        sd_bus_message* m =
            client.message(pmos::bus::kManagerPath, pmos::bus::kManagerInterface, "Switch");
        ::sd_bus_message_append(m, "s", to_first ? first : second);
        to_first = !to_first;
        const std::int64_t begin = now_ns();
        times.error =
            client.call(pmos::bus::kManagerPath, pmos::bus::kManagerInterface, "Switch", m);
        times.ready = times.end = now_ns() - begin;
        return times;
    });
}

sd_bus_message* exec_message(Client& client, const std::string& path, const char* program, int in,
                             int out) {
    sd_bus_message* m = client.message(path, pmos::bus::kModeInterface, "Exec");
    ::sd_bus_message_append(m, "as", 1, program);
    ::sd_bus_message_append(m, "a{sv}", 1, "stdio", "ah", 3, in, out, out);
    return m;
}

Times exec_once(Client& client, const std::string& path, const char* program) {
    Times times;
    int out[2];
    const int in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (in < 0 || ::pipe2(out, O_CLOEXEC) != 0) return {"pipe2", errno, 0, 0};
    const std::int64_t begin = now_ns();
    sd_bus_message* m = exec_message(client, path, program, in, out[1]);
    sd_bus_message* reply = nullptr;
    times.error = client.call(path, pmos::bus::kModeInterface, "Exec", m, &reply);
    ::close(out[1]);
    ::close(in);
    if (times.error == nullptr) {
        char byte = 0;
        if (::read(out[0], &byte, 1) != 1) times.error = "the program said nothing";
        times.ready = now_ns() - begin;
        std::uint32_t session = 0;
        ::sd_bus_message_read(reply, "u", &session);
        sd_bus_message* wait = client.message(path, pmos::bus::kModeInterface, "WaitExec");
        ::sd_bus_message_append(wait, "u", session);
        const char* waited = client.call(path, pmos::bus::kModeInterface, "WaitExec", wait);
        if (times.error == nullptr) times.error = waited;
        times.end = now_ns() - begin;
    }
    ::sd_bus_message_unref(reply);
    ::close(out[0]);
    return times;
}

int ask_pid(Client& client, const char* mode) {
    std::uint32_t pid = 0;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    if (::sd_bus_get_property_trivial(client.bus(), nullptr, object_path(mode).c_str(),
                                      pmos::bus::kModeInterface, "Pid", &error, 'u', &pid) < 0) {
        std::fprintf(stderr, "bus: %s\n", error.message != nullptr ? error.message : "no answer");
        return 1;
    }
    std::printf("%u\n", pid);
    return 0;
}

int call_once(Client& client, const char* mode, const char* method) {
    const char* error = client.call_mode(object_path(mode), method);
    if (error != nullptr) std::fprintf(stderr, "bus: %s\n", error);
    return error != nullptr ? 1 : 0;
}

int serve(sd_bus* bus, int argc, char** argv) {
    Client client(bus);
    const std::string_view verb = argv[1];
    if (verb == "start") return serve_start(client, argv[3]);
    const std::span<char* const> modes(argv + 3, static_cast<std::size_t>(argc - 3));
    if (verb == "each") return serve_each(client, modes);
    if (verb == "all") return serve_all(client, modes);
    if (verb == "pid") return ask_pid(client, argv[3]);
    if (argc < 5) return 2;
    if (verb == "call") return call_once(client, argv[3], argv[4]);
    if (verb == "switch") return serve_switch(client, argv[3], argv[4]);
    if (verb != "exec") return 2;
    const std::string path = object_path(argv[3]);
    return pmos::bench::serve_turns([&] { return exec_once(client, path, argv[4]); });
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fputs(
            "usage: bus start|each|all|switch|exec|call|pid SOCKET MODE [MODE...|PROGRAM|METHOD]\n",
            stderr);
        return 2;
    }
    sd_bus* bus = connect_to(argv[2]);
    if (bus == nullptr) {
        std::fprintf(stderr, "bus: cannot connect to %s\n", argv[2]);
        return 1;
    }
    const int status = serve(bus, argc, argv);
    ::sd_bus_flush_close_unref(bus);
    return status;
}
