// bundle: a second keeper of the version floor, which root of the phone's storage cannot set back.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"

namespace pmos::bundle {

class FloorKeeper {
  public:
    virtual ~FloorKeeper() = default;
    virtual Result<std::uint64_t> read() = 0;
    // To at least this; never lowers.
    virtual Result<> raise(std::uint64_t version) = 0;
};

}  // namespace pmos::bundle
