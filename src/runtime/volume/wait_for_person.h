// volume: a call of libfido2 that may wait for a touch: for how long, and what ends it before.
#pragma once

#include <chrono>
#include <csignal>

struct fido_dev;

namespace pmos::volume {

// One at a time. The signals that Channel::catch_signals() keeps back come through while libfido2
// waits, and nowhere else, so none is missed; a call that they end is over for the authenticator
// too.
class WaitForPerson {
  public:
    WaitForPerson(fido_dev* device, int most_ms);
    ~WaitForPerson();
    WaitForPerson(const WaitForPerson&) = delete;
    WaitForPerson& operator=(const WaitForPerson&) = delete;

    bool interrupted() const;
    bool is_over() const;

  private:
    fido_dev* device_;
    std::chrono::steady_clock::time_point end_;
    sigset_t during_{};
};

}  // namespace pmos::volume
