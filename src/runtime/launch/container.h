// launch: a container of an OCI bundle, by the process that wants it: pmos-oci is its own launcher.
// The plan, the steps and the child are those of modes; what a mode has and a container need not is
// left out where its plan says so. No heap.
#pragma once

#include "runtime/launch/launcher.h"

namespace pmos::launch {

// Puts this process right for one launch, once: numbers below kFirstRequestFd are taken, umask and
// signals are as the child is to find them. Descriptors that are open at or above kFirstRequestFd
// stay. -errno.
int prepare_own_launch(Self& self) noexcept;

// The array of steps up to where the child waits, with everything mounted and nothing left behind:
// hooks of the runtime have their turn. With Verb::enter one more process in a container that runs,
// by slots and enter_types, until its program was executed. After an error the child is dead, and
// reaped where it was ours.
ChildFailure begin_container(Launch& launch) noexcept;
// The rest, until the program was executed, or until it waits for `start`.
ChildFailure finish_container(Launch& launch) noexcept;
// By who starts what waits: the word, and then what became of it. -errno: nobody waits.
int let_container_start(int start_fifo) noexcept;
ChildFailure read_start_result(int result_fifo) noexcept;

}  // namespace pmos::launch
