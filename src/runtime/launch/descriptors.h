// launch: who sits where in the launcher's and the child's descriptor tables. Numbers only.
//
// The launcher keeps 0 to 15 for itself: what it holds for good, and placeholders. So everything
// that one request brings or opens lies at 16 or above and is closed by one close_range(2), and
// the child can move what it keeps to the low numbers without ever hitting one it still needs.
#pragma once

#include "runtime/launch/protocol.h"

namespace pmos::launch {

inline constexpr int kInitImageFd = 5;  // pmos-init, copied into a sealed memfd; or slot_program
inline constexpr int kProcFd = 6;       // root of a procfs of our own, attached nowhere
inline constexpr int kOwnNetNsFd = 7;
inline constexpr int kOwnTimeNsFd = 8;
inline constexpr int kOwnPidNsFd = 9;
inline constexpr int kOwnMountNsFd = 10;
inline constexpr int kFirstRequestFd = 16;

// In the child, from child_close_fds on; kInitStatusFd, kInitReportFd and kInitImageFd stay true.
inline constexpr int kLabelFd = 6;
inline constexpr int kRulesetFd = 7;
inline constexpr int kFirstClosedFd = 8;

}  // namespace pmos::launch
