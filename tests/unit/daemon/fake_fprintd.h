// test double: a bus of its own with net.reactivated.Fprint on it, which does what a test says. For
// unit tests only.
#pragma once

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "runtime/daemon/loop.h"

namespace pmos::daemon::test {

// dbus-daemon, with a configuration that lets everybody do everything.
class PrivateBus {
  public:
    PrivateBus();
    ~PrivateBus();
    PrivateBus(const PrivateBus&) = delete;
    PrivateBus& operator=(const PrivateBus&) = delete;
    // A new connection, served by the loop.
    sd_bus* connect(EventLoop& loop) const;

  private:
    std::string dir_, address_;
    pid_t pid_ = -1;
};

struct FakeFprintd {
    FakeFprintd(const PrivateBus& bus, EventLoop& loop, const std::string& name);
    ~FakeFprintd() { leave(); }
    FakeFprintd(const FakeFprintd&) = delete;
    FakeFprintd& operator=(const FakeFprintd&) = delete;

    void leave();
    // A signal to everybody, or to one connection alone.
    void status(const char* member, const char* result, bool done, const char* only_to = nullptr);
    int answer(sd_bus_message* message, const std::string& member, sd_bus_error* error);

    sd_bus* bus = nullptr;
    std::vector<std::string> calls;             // "Claim pmos-secure"
    std::map<std::string, std::string> errors;  // of which call, by the last word of its name
    std::vector<std::string> silent;            // calls that are never answered
    std::vector<std::string> fingers;
    // What VerifyStart and EnrollStart are followed by.
    std::vector<std::pair<std::string, bool>> results;
    bool claimed = false;
};

}  // namespace pmos::daemon::test
