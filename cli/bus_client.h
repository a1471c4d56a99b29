// cli: calls to pmosd over the private socket or the system bus. Never prints.
#pragma once

#include <systemd/sd-bus.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::cli {

struct BusTarget {
    std::string socket;       // "": the private socket when root and it exists, else the system bus
    bool system_bus = false;  // --bus: never the private socket
};

// One reference to an sd-bus message.
class Message {
  public:
    Message() = default;
    explicit Message(sd_bus_message* owned) : message_(owned) {}
    static Message share(sd_bus_message* borrowed) { return Message(sd_bus_message_ref(borrowed)); }
    sd_bus_message* get() const { return message_.get(); }
    explicit operator bool() const { return message_ != nullptr; }

  private:
    struct Unref {
        void operator()(sd_bus_message* m) const { sd_bus_message_unref(m); }
    };
    std::unique_ptr<sd_bus_message, Unref> message_;
};

// Where a call goes.
struct Address {
    std::string path, interface;
};
Address manager();
Address mode_address(const std::string& mode);
Address fingers_address(const std::string& mode);
// The mode that an object path stands for, "" when it is none.
std::string mode_of_path(const char* path);

// A negative sd-bus return as an error.
Error bus_errno(int negative, std::string what);
// What pmosd (or the bus) answered: the code by its name, the hint split off.
Error bus_error(const sd_bus_error* error);

class BusClient {
  public:
    using OnReply = std::function<void(Result<Message>)>;
    using OnSignal = std::function<void(const Message&)>;

    static Result<BusClient> connect(const BusTarget& target);

    Result<Message> new_call(const Address& to, const char* member);
    // Waits without a deadline (a volume may take minutes); signals that come meanwhile are
    // handed to those who listen.
    Result<Message> call(const Message& request);
    template <class... Args>
    Result<Message> call(const Address& to, const char* member, const char* types, Args... args) {
        PMOS_ASSIGN(const auto request, new_call(to, member));
        if (*types != '\0') {
            const int r = sd_bus_message_append(request.get(), types, args...);
            if (r < 0) return fail(bus_errno(r, "cannot make a request"));
        }
        return call(request);
    }
    Result<Message> call(const Address& to, const char* member) { return call(to, member, ""); }
    Result<> call_async(const Message& request, OnReply on_reply);
    Result<> listen(const std::string& path, const char* interface, const char* member,
                    OnSignal on_signal);

    // For a poll(2) loop of the caller's: what to wait for, and handling all that came.
    struct Wait {
        int fd;
        short events;
        int timeout_ms;
    };
    Result<Wait> wait_for();
    Result<> dispatch();
    // Handles what comes until done() says so.
    Result<> run_until(const std::function<bool()>& done);

    bool peer_to_peer() const { return peer_to_peer_; }

  private:
    struct Unref {
        void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
    };
    explicit BusClient(sd_bus* bus, bool peer_to_peer) : bus_(bus), peer_to_peer_(peer_to_peer) {}
    static Result<BusClient> connect_socket(const std::string& path);
    static Result<BusClient> connect_system();

    std::unique_ptr<sd_bus, Unref> bus_;
    bool peer_to_peer_ = false;
};

// Pieces of a message; errors say that the answer was not as docs/bus.md has it.
template <class... Out>
Result<> read(const Message& message, const char* types, Out... out) {
    const int r = sd_bus_message_read(message.get(), types, out...);
    if (r <= 0) return fail(bus_errno(r == 0 ? -ENXIO : r, "cannot read pmosd's answer"));
    return {};
}
Result<std::string> read_string(const Message& message);
// A descriptor of one's own out of the message, close-on-exec.
Result<UniqueFd> read_fd(const Message& message);

}  // namespace pmos::cli
