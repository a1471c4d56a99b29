// cli: the note, after an unlock, that a volume's re-encryption was cut short and how it goes on.
#pragma once

#include <string>

#include "cli/bus_client.h"

namespace pmos::cli {

class ReencryptionNote {
  public:
    // Before the call that unlocks; lives as long as that.
    Result<> listen(BusClient& bus, const std::string& mode);
    // Nothing where nothing was told.
    void print() const;

  private:
    std::string mode_;
    bool interrupted_ = false;
};

}  // namespace pmos::cli
