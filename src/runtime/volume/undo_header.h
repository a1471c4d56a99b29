// volume: a header as it was, kept on the storage while another one is written over it. Writes
// nothing but that header.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/volume/protocol.h"

namespace pmos::volume {

// A restore writes megabytes over the only header there is, and the power can go in the midst of
// it. So the first `bytes` of the device are on the storage under request.undo, whole, before; a
// copy that is found there later says that a restore did not end, and is put back.
Result<void> keep_header(const Request& request, const std::string& device, std::uint64_t bytes);
// Wiped first: a header that is left on the storage would open a volume that was erased.
Result<void> forget_header(const Request& request);
// What is kept of this mode's headers, also what a worker that was killed has left half-made.
std::vector<std::string> kept_headers(const Request& request);
// All of it is wiped, and then goes: of volumes that are destroyed, where the next opening may as
// well put back what is half wiped.
Result<void> forget_all_headers(const Request& request);
// Nothing when there is none, and nothing when the volume is another one by now, or mended already.
// Code::busy: it is open, and what is written in it meanwhile need not be what that header says.
Result<void> put_header_back(const Request& request);
// By who holds the device.
Result<void> put_header_back(const Request& request, const std::string& device);

// All of it, on the storage.
Result<void> copy_bytes(BorrowedFd from, BorrowedFd to, std::uint64_t bytes);

}  // namespace pmos::volume
