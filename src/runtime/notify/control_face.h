// notify: pmosd's side: it gives the table, and hears counts. Root's alone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/notify/broker.h"
#include "runtime/peer/face.h"

namespace pmos::notify {

class ControlFace {
  public:
    static Result<std::unique_ptr<ControlFace>> make(event::EventLoop& loop, Broker& broker,
                                                     const std::string& path);
    void look();

  private:
    explicit ControlFace(Broker& broker) : broker_(broker) {}
    Broker& broker_;
    std::vector<ModeUse> told_;
    std::unique_ptr<peer::Face> face_;
};

}  // namespace pmos::notify
