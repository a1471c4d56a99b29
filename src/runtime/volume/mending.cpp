// volume: what a re-encryption that was killed has left on the storage, brought to an end before
// the volume is mapped or written anew again.
#include "runtime/volume/mending.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <cerrno>

#include "runtime/volume/files.h"
#include "runtime/volume/metadata.h"
#include "runtime/volume/rewritten.h"
#include "runtime/volume/undo_header.h"

namespace pmos::volume {
namespace {

// By libcryptsetup, which refuses what it would not have written itself.
Result<void> check_ended(const Request& request, const CryptDevice& before,
                         const std::string& file) {
    PMOS_ASSIGN(auto after, CryptDevice::of_device(file));
    PMOS_TRY(after.load());
    if (after.reencryption() == CryptDevice::Reencryption::none && after.has_keyslot() &&
        after.uuid() == before.uuid() && after.has_complete_token(request))
        return {};
    return fail(Code::failed, "the volume's re-encryption cannot be ended",
                "the header that should say so would not be right");
}

Result<void> write_end(const CryptDevice& crypt, BorrowedFd copy) {
    PMOS_ASSIGN(const std::string metadata, crypt.metadata());
    PMOS_ASSIGN(const Ended ended, end_reencryption(metadata));
    for (const Area& area : ended.unused) PMOS_TRY(wipe_area(copy, area));
    return replace_metadata(copy, ended.metadata);
}

Result<void> end_written(const Request& request, CryptDevice& crypt) {
    const std::string device = crypt.header_device();
    const UniqueFd from(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    if (!from) return fail(errno_error(errno, fmt::format("cannot open '{}'", device)));
    PMOS_ASSIGN(const UniqueFd copy, make_memory_file());
    PMOS_TRY(copy_bytes(from.borrow(), copy.borrow(), crypt.header_bytes()));
    PMOS_TRY(write_end(crypt, copy.borrow()));
    PMOS_TRY(check_ended(request, crypt, path_of(copy)));
    PMOS_TRY(keep_header(request, path_of(copy), crypt.header_bytes()));
    PMOS_TRY(put_header_back(request, device));
    return crypt.load();
}

}  // namespace

// With the last piece libcryptsetup ends the work, and destroys what opens the old key while the
// header on the storage still needs it: cut short there, the one from before is put back, and by
// its journal the piece is written once more.
Result<void> prepare_mending(const Request& request, CryptDevice& crypt) {
    switch (crypt.reencryption()) {
        case CryptDevice::Reencryption::written:
            return end_written(request, crypt);
        case CryptDevice::Reencryption::crashed:
            return keep_header(request, crypt.header_device(), crypt.header_bytes());
        default:
            return {};
    }
}

// A secret that is wrong leaves the copy as well: it is what is in its place.
Result<bool> mend_piece(const Request& request, CryptDevice& crypt,
                        std::span<const std::byte> secret) {
    if (crypt.reencryption() != CryptDevice::Reencryption::crashed) return false;
    PMOS_TRY(crypt.mend_piece(secret));
    PMOS_TRY(forget_header(request));
    return true;
}

}  // namespace pmos::volume
