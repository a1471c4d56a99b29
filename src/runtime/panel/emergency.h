// panel: an emergency call, by pmos-modem alone: it needs neither pmosd nor a mode.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "runtime/event/bus_call.h"
#include "runtime/event/loop.h"

namespace pmos::panel {

// As pmos-modem tells it, docs/modem.md.
struct CallState {
    std::string phase;  // "none", "waiting", "dialling", "calling", "active", "ended"
    std::string number, words;
    bool under_way() const { return !phase.empty() && phase != "none" && phase != "ended"; }
};

class Emergency {
  public:
    // address: of pmos-modem's host face.
    Emergency(event::EventLoop& loop, std::string address)
        : loop_(loop), address_(std::move(address)) {}
    Emergency(const Emergency&) = delete;
    Emergency& operator=(const Emergency&) = delete;

    void on_change(std::function<void(const CallState&)> changed) { changed_ = std::move(changed); }
    // Code::denied: no emergency number.
    void call(const std::string& number, event::Done done);
    void hang_up(event::Done done);

  private:
    Result<sd_bus*> connect();
    void ask(const char* member, const std::string* number, event::Done done);
    static int on_signal(sd_bus_message* message, void* self, sd_bus_error*);
    static int on_gone(sd_bus_message* message, void* self, sd_bus_error*);

    event::EventLoop& loop_;
    std::string address_;
    std::function<void(const CallState&)> changed_ = [](const CallState&) {};
    event::BusPtr bus_;
};

}  // namespace pmos::panel
