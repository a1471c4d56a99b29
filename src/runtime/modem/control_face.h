// modem: pmosd's side: it gives the table, and hears for whom something came. Root's alone.
#pragma once

#include <memory>
#include <string>

#include "runtime/modem/broker.h"
#include "runtime/modem/bus_pieces.h"
#include "runtime/peer/face.h"

namespace pmos::modem {

class ControlFace {
  public:
    static Result<std::unique_ptr<ControlFace>> make(event::EventLoop& loop, Broker& broker,
                                                     const std::string& path);
    // A call has come, gone, or changed.
    void look_at_calls();
    void call_came(const std::string& mode);
    void text_came(const std::string& mode);

  private:
    Broker* broker_ = nullptr;
    std::vector<std::string> on_call_;  // as told last
    std::unique_ptr<peer::Face> face_;
};

}  // namespace pmos::modem
