// device: the cgroup device filter of a mode, BPF_PROG_TYPE_CGROUP_DEVICE by raw bpf(2). Takes
// finished instructions from the plan; never decides what is allowed.
#pragma once

#include <cstdint>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::device {

// Through the verifier, once for each plan: what comes back can be attached any number of times.
// instructions: struct bpf_insn[]. The verifier's words are in the error.
Result<UniqueFd> load_filter(std::span<const std::uint8_t> instructions);

// Gates every open(2) and mknod(2) of the cgroup from now on, also when the program's descriptor
// is closed. One that this function attached before is replaced in one atomic step: at no moment
// is there none.
Result<void> attach_filter(BorrowedFd cgroup, BorrowedFd program);

// Nothing attached is a success. Not needed before the cgroup is removed.
Result<void> detach_filter(BorrowedFd cgroup);

Result<bool> has_filter(BorrowedFd cgroup);

}  // namespace pmos::device
