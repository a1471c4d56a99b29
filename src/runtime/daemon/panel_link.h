// daemon: what goes to the panel and comes from it; the owner of screen and input in a switch.
#pragma once

#include <functional>
#include <list>
#include <optional>
#include <string>

#include "runtime/daemon/broker_link.h"
#include "runtime/daemon/device_owner.h"
#include "runtime/panel/protocol.h"

namespace pmos::daemon {

// The directory of the mode's socket, which is bound into it: there before the panel is.
Result<> make_panel_place(const Paths& paths, const std::string& mode);

class PanelLink : public DeviceOwner {
  public:
    // What a person asks for by touching the panel.
    struct Asks {
        std::function<void(const std::string&mode, Done)> switch_to, lock;
        std::function<void(const std::string& mode, UniqueFd secret, Done)> unlock;
    };
    // describe: what the panel is to show, with who is in front. another: one has come in the place
    // of one that was there.
    PanelLink(EventLoop& loop, std::string dir,
              std::function<panel::Table(const Mode* front)> describe, Asks asks,
              std::function<void()> another, std::function<void(std::string_view why)> ended)
        : loop_(loop),
          dir_(std::move(dir)),
          describe_(std::move(describe)),
          asks_(std::move(asks)),
          another_(std::move(another)),
          ended_(std::move(ended)) {}
    // From here on it looks for the panel.
    void begin();

    // Something about the modes may have changed; looked at in the next turn of the loop.
    void look_soon();
    // Who is in front by now, outside of a switch.
    void set_front(Mode* front);
    // Why it does not go by what it was told last; "": it does.
    std::string why_not() const;

    // Answers when nothing of the mode is drawn any more and nothing typed reaches it, or when the
    // panel is no more.
    void revoke(Mode& mode, Done done) override;
    void grant(Mode& mode, Done done) override;

    // For the vtable.
    const Asks& asks() const noexcept { return asks_; }

  private:
    struct Waiting {
        std::uint64_t turn;
        Done done;
    };
    void look();
    void connected_now();
    void send();
    void answered(std::uint64_t turn, Result<sd_bus_message*> reply);
    void cut_off(std::string_view why) const;
    void lost();
    bool connected() const { return link_ && link_->connected(); }

    EventLoop& loop_;
    std::string dir_;
    std::function<panel::Table(const Mode*)> describe_;
    Asks asks_;
    std::function<void()> another_;
    std::function<void(std::string_view)> ended_;
    bool was_there_ = false;
    Mode* front_ = nullptr;
    panel::Table told_;
    std::uint64_t turn_ = 0, answered_ = 0;  // tables said, and of those the last that is in force
    std::list<Waiting> waiting_;
    EventSource soon_;
    std::optional<BrokerLink> link_;
};

}  // namespace pmos::daemon
