// bundle: whether images and hooks are what a bundle pins. Reads them, changes nothing but the
// notes it keeps of what it has read.
#pragma once

#include <string>
#include <vector>

#include "policy/bundle.h"
#include "runtime/bundle/protocol.h"

namespace pmos::bundle {

class PinCheck {
  public:
    // notes: a file of this boot with the identities that were found right, so that a pmosd that
    // comes back does not read every image again. "" : none.
    PinCheck(std::string images, std::string hooks, std::string notes)
        : images_(std::move(images)), hooks_(std::move(hooks)), notes_(std::move(notes)) {}

    Result<std::vector<VerifiedPin>> check(const policy::Bundle& bundle) const;

  private:
    Result<VerifiedPin> check(const policy::Pin& pin, std::string& notes) const;

    std::string images_, hooks_, notes_;
};

}  // namespace pmos::bundle
