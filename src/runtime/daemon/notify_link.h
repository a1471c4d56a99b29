// daemon: what goes to the notifications' broker and comes from it. Hears numbers, and no text.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/daemon/broker_link.h"
#include "runtime/daemon/mode.h"
#include "runtime/notify/protocol.h"

namespace pmos::daemon {

// The directory of the mode's socket, which is bound into it: there before the broker is.
Result<> make_notify_place(const Paths& paths, const std::string& mode);

class NotifyLink {
  public:
    using Uses = std::vector<notify::ModeUse>;
    // modes: all there are, whatever becomes of them. heard: of each change of the uses.
    NotifyLink(EventLoop& loop, std::string dir, const Modes& modes,
               std::function<void(const Uses&)> heard)
        : loop_(loop), dir_(std::move(dir)), modes_(modes), heard_(std::move(heard)) {}
    // From here on it looks for the broker.
    void begin();
    // Something about the modes may have changed; looked at in the next turn of the loop.
    void look_soon();
    // Why it does not go by what it was told last; "": it does.
    std::string why_not() const;

  private:
    void look();
    void send();
    void answered(std::uint64_t turn, Result<sd_bus_message*> reply);
    void take(sd_bus_message* message);
    void hear(Uses uses);
    bool connected() const { return link_ && link_->connected(); }

    EventLoop& loop_;
    std::string dir_;
    const Modes& modes_;
    std::function<void(const Uses&)> heard_;
    notify::Table told_;
    std::uint64_t turn_ = 0, answered_ = 0;  // tables said, and of those the last that is in force
    Uses uses_;
    EventSource soon_;
    std::optional<BrokerLink> link_;
};

}  // namespace pmos::daemon
