// daemon: org.pmos.Runtime1 on the system bus and on the private socket. Translates, decides
// nothing; never reads a secret.
#pragma once

#include <systemd/sd-bus.h>

#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "runtime/daemon/fprintd.h"
#include "runtime/daemon/idle_lock.h"
#include "runtime/daemon/logind.h"
#include "runtime/daemon/supervisor.h"
#include "runtime/event/bus_pieces.h"

namespace pmos::daemon {

using event::BusPtr;
using event::set_error;

struct ModeObject;

class Bus {
  public:
    enum class System { automatic, required, off };

    Bus(EventLoop& loop, const Paths& paths) : loop_(loop), paths_(paths) {}
    ~Bus();
    Bus(const Bus&) = delete;
    Bus& operator=(const Bus&) = delete;

    // supervisor must outlive the bus. automatic: keeps trying while there is no system bus.
    Result<> begin(Supervisor& supervisor, System system);
    void close();

    // Told before the next event, and at the latest when nothing else is to be done: of several
    // changes the last.
    void mode_changed(const Mode& mode);
    void foreground_changed();
    void progress(const Mode& mode, std::string_view operation, std::uint32_t permille,
                  std::string_view step);
    void event(std::string_view kind, std::string_view mode, const Details& details);

    Supervisor& supervisor() noexcept { return *supervisor_; }
    // nullptr when no mode has this path.
    ModeObject* object_at(std::string_view path);
    // Who called, as the sessions know it: connection and, on a bus, the sender's unique name.
    // Ends the caller's sessions when it leaves.
    std::string owner_of(sd_bus_message* message);

  private:
    struct Connection {
        Bus* bus = nullptr;
        BusPtr handle;
        std::string id;
        bool system = false;
        bool ready = false;
    };
    Result<> listen();
    void accept_peer();
    Result<> connect_system();
    void leave_system();
    void retry_system();
    Result<> export_objects(Connection& connection);
    void dropped(Connection& connection);
    void tell_later();
    void tell_changes();
    struct Event {
        std::uint64_t boot_usec = 0;
        std::string kind, mode;
        Details details;
    };
    void send(const Event& event);
    static int on_disconnected(sd_bus_message* message, void* userdata, sd_bus_error* error);
    static int on_name_owner_changed(sd_bus_message* message, void* userdata, sd_bus_error* error);

    EventLoop& loop_;
    const Paths& paths_;
    Supervisor* supervisor_ = nullptr;
    UniqueFd listener_;
    EventSource incoming_, retry_;
    std::set<std::string> changed_;  // modes that nobody was told of yet
    bool front_changed_ = false;
    std::vector<Event> untold_;
    EventSource changes_later_, at_latest_;
    std::list<Connection> connections_;
    std::unique_ptr<Logind> logind_;  // while there is a system bus
    std::unique_ptr<IdleLock> idle_lock_;
    std::unique_ptr<Fprintd> fprintd_;
    std::map<std::string, std::unique_ptr<ModeObject>, std::less<>> objects_;  // by path
    std::uint64_t next_id_ = 1;
};

std::string mode_path(const std::string& mode);

// What sd-bus hands to the methods of a mode's object.
struct ModeObject {
    Bus& bus;
    Mode& mode;
    // One look at the storage for all that one message asks: its answers belong together.
    std::uint64_t looked_in = 0;  // the turn of the loop
    volume::Standing standing = {};
};

// Sends the answer of an asynchronous call; keeps the message until then.
class Call {
  public:
    explicit Call(sd_bus_message* message) : message_(sd_bus_message_ref(message)) {}
    Call(Call&& other) noexcept : message_(std::exchange(other.message_, nullptr)) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    Call& operator=(Call&&) = delete;
    ~Call() { sd_bus_message_unref(message_); }
    sd_bus_message* get() const noexcept { return message_; }
    void fail(const Error& error) const;
    void done(const Result<>& result) const;  // an empty reply, or the error

  private:
    sd_bus_message* message_;
};

const sd_bus_vtable* manager_vtable();
const sd_bus_vtable* mode_vtable();
const sd_bus_vtable* volumes_vtable();
const sd_bus_vtable* fingers_vtable();
const sd_bus_vtable* network_vtable();

}  // namespace pmos::daemon
