// device: what device filters refused, as the kernel tells it. Refuses nothing itself.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/bpf/ring.h"

namespace pmos::device {

struct DeviceDenial {
    bool block = false;
    std::uint32_t major = 0, minor = 0;
    std::uint32_t access = 0;  // BPF_DEVCG_ACC_*
    std::uint32_t uid = 0;     // as the initial user namespace sees it
    int pid = 0;
    std::string program;  // comm: the mode chose it, never to be trusted
};

// A BPF ring buffer (Linux 5.8) that every filter of this pmosd writes to.
class DenialRing {
  public:
    // An error also where this kernel's verifier does not let a device filter report.
    static Result<DenialRing> make();
    // Readable when there is something to take.
    BorrowedFd fd() const noexcept { return ring_.fd(); }
    std::vector<DeviceDenial> take();

    // The same program, which tells the ring before it refuses. Its last two instructions must be
    // the refusal that all others fall through to, as policy compiles it.
    Result<std::vector<std::uint8_t>> report(std::span<const std::uint8_t> instructions) const;

  private:
    explicit DenialRing(bpf::Ring ring) : ring_(std::move(ring)) {}

    bpf::Ring ring_;
};

}  // namespace pmos::device
