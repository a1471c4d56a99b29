// notify: who draws the panel: it sees what the policy lets it, and says what a person did with it.
// Root's alone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/notify/broker.h"
#include "runtime/peer/face.h"

namespace pmos::notify {

class HostFace {
  public:
    static Result<std::unique_ptr<HostFace>> make(event::EventLoop& loop, Broker& broker,
                                                  const std::string& path);
    void look();

  private:
    explicit HostFace(Broker& broker) : broker_(broker) {}
    Broker& broker_;
    std::vector<Mark> told_;
    std::unique_ptr<peer::Face> face_;
};

}  // namespace pmos::notify
