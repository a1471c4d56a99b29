// daemon: what goes to the sound's broker and comes from it; the owner of sound in a switch.
#pragma once

#include <functional>
#include <list>
#include <optional>
#include <string>

#include "runtime/audio/protocol.h"
#include "runtime/daemon/broker_link.h"
#include "runtime/daemon/device_owner.h"

namespace pmos::daemon {

// The directory of the mode's socket, which is bound into it: there before the broker is.
Result<> make_audio_place(const Paths& paths, const std::string& mode);

class AudioLink : public DeviceOwner {
  public:
    // modes: all there are, whatever becomes of them. heard: of each change of users(). ended: why
    // the broker had to be, and all sound with it.
    AudioLink(EventLoop& loop, std::string dir, const Modes& modes,
              std::function<void(const audio::Users&)> heard,
              std::function<void(std::string_view why)> ended)
        : loop_(loop),
          dir_(std::move(dir)),
          modes_(modes),
          heard_(std::move(heard)),
          ended_(std::move(ended)) {}
    // From here on it looks for the broker.
    void begin();

    // Something about the modes may have changed; looked at in the next turn of the loop.
    void look_soon();
    // Who is in front by now, outside of a switch.
    void set_front(Mode* front);
    // Why it does not go by what it was told last; "": it does.
    std::string why_not() const;
    const audio::Users& users() const noexcept { return users_; }

    // Answers when the broker has cut what is for the foreground, or is no more, and all sound with
    // it.
    void revoke(Mode& mode, Done done) override;
    void grant(Mode& mode, Done done) override;

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
    bool connected() const { return link_ && link_->connected(); }
    void lost();
    void take_users(sd_bus_message* message);
    void hear(audio::Users users);

    EventLoop& loop_;
    std::string dir_;
    const Modes& modes_;
    std::function<void(const audio::Users&)> heard_;
    std::function<void(std::string_view)> ended_;
    Mode* front_ = nullptr;
    audio::Table told_;
    std::uint64_t turn_ = 0, answered_ = 0;  // tables said, and of those the last that is in force
    std::list<Waiting> waiting_;
    audio::Users users_;
    EventSource soon_;
    std::optional<BrokerLink> link_;
};

}  // namespace pmos::daemon
