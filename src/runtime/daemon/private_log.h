// daemon: what is told of a mode and stays in its own encrypted volume: what it was refused names
// its programs and files, and the journal lies on a storage that no mode's key protects. Reads
// nothing of it back, mounts nothing: a worker writes it.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/daemon/context.h"
#include "runtime/daemon/sequence.h"

namespace pmos::daemon {

// What waits to be written; one of each mode.
struct PrivateLog {
    std::string lines;
    std::uint64_t lost = 0;  // that did not fit
    EventSource later;
};

// Whether it has a volume that a secret opens. What others are refused is for the journal.
bool has_private_part(const Mode& mode);

// Written a few seconds later, many at a time.
void keep_private(const Context& ctx, Mode& mode, std::string_view kind, const Details& details);

// At once what waits, in the mode's queue: before its volumes are closed or suspended. Where they
// are not open it is forgotten. What was lost is told, and no error.
void write_private(const Context& ctx, Mode& mode, Done done);

// What waits goes with the mode's keys, and no worker is started for it.
void forget_private(Mode& mode);

}  // namespace pmos::daemon
