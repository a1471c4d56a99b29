// launch: what the launcher's main drives. No heap, one request at a time.
#pragma once

namespace pmos::launch {

struct Self;

// Turns this process into a launcher: descriptors, signals, seals pmos-init. 0 or -errno.
int prepare_self(Self& self) noexcept;

// Serves the next request; -EPIPE once the requester is gone.
int serve_one(const Self& self) noexcept;

}  // namespace pmos::launch
