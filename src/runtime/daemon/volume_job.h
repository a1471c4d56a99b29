// daemon: a worker's request for a volume of a mode, and what is told of its end. Runs none.
#pragma once

#include "runtime/daemon/mode.h"
#include "runtime/daemon/volume_worker.h"

namespace pmos::daemon {

bool needs_secret(const policy::Volume& volume);
// Also one that the TPM opens, and a secret where it does not.
bool takes_secret(const policy::Volume& volume);
// As progress and events have it.
const char* verb_name(volume::Verb verb);

VolumeJob make_volume_job(const Context& ctx, Mode& mode, const policy::Volume& volume,
                          volume::Verb verb);

// What a worker that ended without an answer had met; counted: the secret that it tried stays so.
Error worker_died(int exit_code, bool counted);

void tell_attempts(const Context& ctx, const Mode& mode, const Result<VolumeEnd>& end);
void tell_unsettled(const Context& ctx, const Mode& mode, const VolumeEnd& end);

}  // namespace pmos::daemon
