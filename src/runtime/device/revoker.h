// device: takes devices that are open already away from a cgroup, and gives them back: programs
// that the kernel asks before each ioctl(2), mmap(2), read(2) and write(2) (BPF LSM, Linux 5.7).
// The device filter gates open(2) alone. Decides nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::device {

struct Number {
    bool block = false;
    std::uint32_t major = 0, minor = 0;
    friend bool operator==(const Number&, const Number&) = default;
};

// What is mapped stays mapped, and a system call that is under way ends as it would have: who is to
// have nothing left stands still (cgroup.freeze, which also starts blocked calls anew) or is ended.
class Revoker {
  public:
    // unsupported, with the reason, where the kernel takes no such program or asks none
    // (/sys/kernel/security/lsm has no "bpf"). Nothing runs in the kernel yet.
    static Result<Revoker> make();
    // From now on the programs run, and cost every read and write of a device a look-up: ahead of
    // the first time that something is taken away, which does it otherwise.
    Result<> begin();
    // A pmosd before this one had it: nothing was given back in between.
    static Result<Revoker> take_over(std::vector<UniqueFd> kept);
    // What keeps it alive beyond this process.
    std::vector<BorrowedFd> descriptors() const;

    // With all cgroups below it, from when this returns: EPERM. Twice is once.
    Result<> take_away(std::uint64_t cgroup, const Number& device);
    void give_back(std::uint64_t cgroup, const Number& device);
    // All that was taken from it: the cgroup is gone, its number may come again.
    void forget(std::uint64_t cgroup);

  private:
    explicit Revoker(UniqueFd taken) : taken_(std::move(taken)) {}
    Result<std::vector<UniqueFd>> load() const;

    UniqueFd taken_;  // map
    std::vector<UniqueFd> links_;
};

}  // namespace pmos::device
