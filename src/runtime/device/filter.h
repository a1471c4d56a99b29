// device: the cgroup device filter of a mode, BPF_PROG_TYPE_CGROUP_DEVICE by raw bpf(2). Takes
// finished instructions from the plan; never decides what is allowed.
#pragma once

#include <cstdint>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::device {

// Gates every open(2) and mknod(2) of the cgroup from now on. One that this function attached
// before is replaced in one atomic step: at no moment is there none. instructions: struct
// bpf_insn[]. The verifier's words are in the error.
Result<void> attach_filter(BorrowedFd cgroup, std::span<const std::uint8_t> instructions);

// Nothing attached is a success. Not needed before the cgroup is removed.
Result<void> detach_filter(BorrowedFd cgroup);

Result<bool> has_filter(BorrowedFd cgroup);

}  // namespace pmos::device
