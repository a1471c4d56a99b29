// modem: the host's side: what there is, as counts, and emergency calls. Works without pmosd.
// Root's alone.
#pragma once

#include <memory>
#include <string>

#include "runtime/modem/broker.h"
#include "runtime/modem/bus_pieces.h"
#include "runtime/peer/face.h"

namespace pmos::modem {

class HostFace {
  public:
    static Result<std::unique_ptr<HostFace>> make(event::EventLoop& loop, Broker& broker,
                                                  const std::string& path);
    void emergency_changed();

  private:
    explicit HostFace(Broker& broker) : broker_(broker) {}
    Broker& broker_;
    std::unique_ptr<peer::Face> face_;
    std::string told_;
};

}  // namespace pmos::modem
