// notify: the session bus that a mode's programs find: notifications and the screen saver as the
// desktop's specifications have them, and what other modes let be seen. Decides nothing.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/notify/broker.h"
#include "runtime/peer/face.h"

namespace pmos::notify {

class ModeFace {
  public:
    // dir: of the mode alone; its socket is made there.
    static Result<std::unique_ptr<ModeFace>> make(event::EventLoop& loop, Broker& broker,
                                                  const std::string& mode, const std::string& dir);
    ModeFace(const ModeFace&) = delete;
    ModeFace& operator=(const ModeFace&) = delete;

    void closed(std::uint32_t id, Reason reason);
    void invoked(std::uint32_t id, const std::string& action);
    // What others let be seen may be something else.
    void look_at_others();

    Broker& broker() const noexcept { return broker_; }
    const std::string& mode() const noexcept { return mode_; }
    // Of the client at the other end of it.
    const std::string& name_of(sd_bus* bus) const;
    std::size_t clients() const { return face_->peers().size(); }

  private:
    ModeFace(Broker& broker, std::string mode) : broker_(broker), mode_(std::move(mode)) {}
    int prepare(peer::Face::Peer& peer);

    Broker& broker_;
    std::string mode_;
    std::vector<Mark> told_;  // of others
    std::unique_ptr<peer::Face> face_;
};

}  // namespace pmos::notify
