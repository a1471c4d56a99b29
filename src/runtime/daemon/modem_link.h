// daemon: pmosd's end of the modem's broker, which comes and goes as it likes: nobody waits for it,
// and a new one is told all of it again.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/daemon/context.h"
#include "runtime/event/bus_call.h"
#include "runtime/modem/protocol.h"

namespace pmos::daemon {

// The directory of the mode's socket, which is bound into it: there before the broker is.
Result<> make_modem_place(const Paths& paths, const std::string& mode);

class ModemLink {
  public:
    struct Heard {
        std::function<void(const std::string&mode)> call_came, message_came;
        // Modes that have a call now; none where the broker stays away.
        std::function<void(const std::vector<std::string>&)> on_call;
    };
    ModemLink(EventLoop& loop, std::string dir, Heard heard);
    ModemLink(const ModemLink&) = delete;
    ModemLink& operator=(const ModemLink&) = delete;

    // From now on the broker goes by this.
    void tell(modem::Table table);
    // Why it does not go by what it was told last; "": it does.
    const std::string& why_not() const noexcept { return why_not_; }

  private:
    void watch();
    void try_in(std::chrono::milliseconds delay);
    void connect();
    Result<event::BusPtr> open();
    void send();
    void answered(const modem::Table& told, Result<sd_bus_message*> reply);
    void lost(std::string why);
    void take_calls(sd_bus_message* message);
    void hear_calls();
    static int on_signal(sd_bus_message* message, void* userdata, sd_bus_error* error);
    static int on_disconnected(sd_bus_message* message, void* userdata, sd_bus_error* error);

    EventLoop& loop_;
    std::string dir_;
    Heard heard_;
    modem::Table wanted_;
    std::string why_not_ = "it was not told yet";
    event::BusPtr bus_;
    unsigned tries_ = 0;
    bool fresh_ = false;  // connected, and not answered yet
    bool lost_ = false;   // there was another broker before
    // As the broker said last, and as was passed on.
    std::vector<std::string> latest_, passed_on_;
    UniqueFd inotify_;
    EventSource appeared_, later_, given_up_;
};

}  // namespace pmos::daemon
