// daemon: pmosd's end of a broker, which comes and goes as it likes: nobody waits for it. Knows no
// broker's interface.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/daemon/context.h"
#include "runtime/event/bus_call.h"

namespace pmos::daemon {

// A directory of a broker's, where it is not there yet.
Result<> make_broker_directory(const std::string& path, mode_t mode);

class BrokerLink {
  public:
    struct Broker {
        const char* name;  // of its program
        std::string dir;   // its socket "control" is in it
        const char *path, *interface;
    };
    struct Heard {
        // There is one; it knows nothing yet.
        std::function<void()> connected;
        // It is gone, or as good as that.
        std::function<void()> lost;
        std::function<void(std::string_view member, sd_bus_message* message)> signal;
        // Puts on a new connection what the broker may ask for; negative: it cannot be.
        std::function<int(sd_bus*)> prepare = [](sd_bus*) { return 0; };
    };
    BrokerLink(EventLoop& loop, Broker broker, Heard heard);
    BrokerLink(const BrokerLink&) = delete;
    BrokerLink& operator=(const BrokerLink&) = delete;

    bool connected() const noexcept { return bus_ != nullptr; }
    // Why nobody was reached last.
    const std::string& why_not() const noexcept { return why_not_; }
    // While one is connected. append: the arguments; below zero: they cannot be said. Not answered
    // where the connection is lost before.
    void call(const char* member, const std::function<int(sd_bus_message*)>& append,
              std::chrono::microseconds limit, event::AnswerMessage answer);
    // It did answer: it stays, and the next attempt to reach one is the first again.
    void settled() noexcept { tries_ = 0; }
    // Lets it go and tries anew.
    void lose(std::string why);
    // The process that it is; none where there is none.
    BorrowedFd process() const noexcept { return process_.borrow(); }

  private:
    void watch();
    void try_in(std::chrono::milliseconds delay);
    void connect();
    Result<event::BusPtr> open();
    static int on_signal(sd_bus_message* message, void* userdata, sd_bus_error* error);
    static int on_disconnected(sd_bus_message* message, void* userdata, sd_bus_error* error);

    EventLoop& loop_;
    Broker broker_;
    Heard heard_;
    std::string why_not_ = "it was not reached yet";
    event::BusPtr bus_;
    UniqueFd process_;
    unsigned tries_ = 0;
    UniqueFd inotify_;
    EventSource appeared_, later_;
};

}  // namespace pmos::daemon
