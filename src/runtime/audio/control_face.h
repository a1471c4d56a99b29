// audio: pmosd's side: it gives the table, and hears who records and who plays. Root's alone.
#pragma once

#include <memory>
#include <string>

#include "runtime/audio/broker.h"
#include "runtime/peer/face.h"

namespace pmos::audio {

class ControlFace {
  public:
    static Result<std::unique_ptr<ControlFace>> make(event::EventLoop& loop, Broker& broker,
                                                     const std::string& path);

  private:
    explicit ControlFace(Broker& broker) : broker_(broker) {}
    void tell();
    Broker& broker_;
    std::unique_ptr<peer::Face> face_;
};

}  // namespace pmos::audio
