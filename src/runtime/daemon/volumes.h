// daemon: the volumes of a mode as sequences of worker calls. Never sees a key; mounts nothing.
#pragma once

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"
#include "runtime/volume/protocol.h"

namespace pmos::daemon {

// Sets mode.provisioned and mode.locked from what is there (files, /dev/mapper).
void refresh_volume_state(Mode& mode);

// What is known of a volume without asking a worker; docs/bus.md has the names.
Details volume_summary(const policy::Volume& volume);

// Makes every volume; refuses when one exists. secret: for those that need one.
void provision_volumes(const Context& ctx, Mode& mode, UniqueFd secret, Done done);

// Destroys every volume, the last first, though one cannot be; all must be closed.
void erase_volumes(const Context& ctx, Mode& mode, Done done);

// Opens what is closed; on an error closes again what it opened. A volume with a device key that
// does not exist yet is made first: the first boot of a mode that needs no secret.
void open_volumes(const Context& ctx, Mode& mode, UniqueFd secret, Done done);

// Queues the clearing of what a worker, of an earlier pmosd as well, left when it was killed while
// it made a volume or re-encrypted a closed one. Nothing where there is nothing.
void clear_half_made(const Context& ctx, Mode& mode);

// At most one of the volumes needs the secret: a descriptor can be read once, and only by the
// worker. It goes to that one, or else to the first that may take it; dm_name, "" none.
std::string taker_of(const std::vector<policy::Volume>& volumes);
Result<> check_secret(const Mode& mode, const std::vector<policy::Volume>& volumes,
                      const UniqueFd& secret);

// Whether it is opened now by a secret that only a person has, and not by what lies on the storage.
bool secret_opens(const Mode& mode);

// One worker, and what it means for the mode. descriptor: a secret, or what else the verb takes.
void call_volume_worker(const Context& ctx, Mode& mode, const policy::Volume& volume,
                        volume::Verb verb, UniqueFd descriptor, Done done);
// One after the other, the last first; goes on after an error and answers the first.
void each_volume(const Context& ctx, Mode& mode, std::vector<policy::Volume> volumes,
                 volume::Verb verb, Done done);

// The open ones that are being re-encrypted, or were when the worker was killed.
std::vector<policy::Volume> cut_short_of(const Mode& mode);

// Closes what is open. Goes on after an error and answers the first.
void close_volumes(const Context& ctx, Mode& mode, Done done);

}  // namespace pmos::daemon
