// network: pmosd's side: it gives modes their networks, and hears of one that is lost. Root's
// alone.
#pragma once

#include <memory>
#include <string>

#include "runtime/network/keeper.h"
#include "runtime/peer/face.h"

namespace pmos::network {

class ControlFace {
  public:
    static Result<std::unique_ptr<ControlFace>> make(event::EventLoop& loop, Keeper& keeper,
                                                     const std::string& path);

  private:
    ControlFace() = default;
    void tell_refused(const Refusal& refusal) const;
    void tell_lost(const std::string& mode, const std::string& why);
    std::unique_ptr<peer::Face> face_;
};

}  // namespace pmos::network
