// oci: the terminal of a container: handed to who asked for it, or to the one that we have.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::oci {

// The master to who listens at `path`, by SCM_RIGHTS, as runc does it: one message with its name.
Result<> send_console(const std::string& path, BorrowedFd master);

// Between our terminal and this one, for as long as the process lives. Ours is raw meanwhile, and
// as it was afterwards.
class Relay {
  public:
    static Result<Relay> begin(UniqueFd master);
    Relay(Relay&& other) noexcept;
    Relay& operator=(Relay&&) = delete;
    ~Relay();
    BorrowedFd master() const { return master_.borrow(); }
    // What there is to read on either side; false once the master is done.
    bool from_master() const;
    bool from_us() const;  // false at the end of ours
    void take_size() const;

  private:
    explicit Relay(UniqueFd master) : master_(std::move(master)) {}
    UniqueFd master_;
    bool raw_ = false;
};

}  // namespace pmos::oci
