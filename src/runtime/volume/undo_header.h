// volume: a header as it was, kept on the storage while another one is written over it. Writes
// nothing but that header.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/volume/files.h"
#include "runtime/volume/protocol.h"

namespace pmos::volume {

class CryptDevice;

// A restore writes megabytes over the only header there is, and the power can go in the midst of
// it. So the first `bytes` of the device are on the storage under request.undo, whole, before; a
// copy that is found there later says that a restore did not end, and is put back.
Result<void> keep_header(const Request& request, const std::string& device, std::uint64_t bytes);
// Room on the storage for a header that is kept later, where there is no way back any more: only
// the storage itself can fail it then.
class HeaderRoom {
  public:
    static Result<HeaderRoom> reserve(const Request& request, std::uint64_t bytes);
    // As keep_header().
    Result<void> keep(const std::string& device);
    // Nothing was kept in it.
    Result<void> give_back() { return file_.remove(); }

  private:
    HeaderRoom(TemporaryFile file, std::uint64_t bytes) : file_(std::move(file)), bytes_(bytes) {}

    TemporaryFile file_;
    std::uint64_t bytes_;
};
// Before a re-encryption that was cut short in the midst of a piece is mended, as whatever opens
// the volume does: with the last piece that ends the work, and reencrypt.cpp says what that is
// like. False: there is nothing to mend, nothing was kept.
Result<bool> keep_before_mending(const Request& request, const CryptDevice& crypt);
// Wiped first: a header that is left on the storage would open a volume that was erased.
Result<void> forget_header(const Request& request);
// Nothing when there is none, and nothing when the volume is another one by now.
Result<void> put_header_back(const Request& request);
// By who holds the device.
Result<void> put_header_back(const Request& request, const std::string& device);

// All of it, on the storage.
Result<void> copy_bytes(BorrowedFd from, BorrowedFd to, std::uint64_t bytes);

}  // namespace pmos::volume
