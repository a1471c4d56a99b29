// daemon: what goes to the modem's broker and comes from it. A new one is told all of it again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/daemon/broker_link.h"
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
    std::string why_not() const;

  private:
    void connected();
    void lost();
    void signal(std::string_view member, sd_bus_message* message);
    void send();
    void answered(const modem::Table& told, Result<sd_bus_message*> reply);
    void take_calls(sd_bus_message* message);
    void hear_calls();

    EventLoop& loop_;
    Heard heard_;
    modem::Table wanted_;
    bool goes_by_it_ = false;
    bool fresh_ = false;  // connected, and not answered yet
    bool lost_ = false;   // there was another broker before
    // As the broker said last, and as was passed on.
    std::vector<std::string> latest_, passed_on_;
    EventSource given_up_;
    BrokerLink link_;
};

}  // namespace pmos::daemon
