// volume: what to do again backwards when a later step fails. Never hides the first error.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pmos::volume {

class Undo {
  public:
    void push(std::function<Result<void>()> action) { actions_.push_back(std::move(action)); }
    void drop_last() { actions_.pop_back(); }
    void forget() { actions_.clear(); }

    // Latest first; faults are attached to cause.
    Error run(Error cause) {
        for (; !actions_.empty(); actions_.pop_back())
            if (auto done = actions_.back()(); !done)
                cause.undo_failures.push_back(std::move(done.error()));
        return cause;
    }

  private:
    std::vector<std::function<Result<void>()>> actions_;
};

}  // namespace pmos::volume
