// volume: who re-encrypts a volume now, and what one that was killed has left of devices and keys
// in the kernel. Never sees a key; what is on the storage libcryptsetup mends with the next
// opening.
#include "runtime/volume/recover.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <cerrno>
#include <csignal>

#include "runtime/volume/dm.h"
#include "runtime/volume/header.h"
#include "runtime/volume/helpers.h"
#include "runtime/volume/patience.h"
#include "runtime/volume/source.h"

namespace pmos::volume {
namespace {

// Not by flock(2): libcryptsetup locks files by that, to read a header.
struct flock whole(short type) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    return lock;
}

Error at_work(const Request& request) {
    Error e;
    e.code = Code::busy;
    e.what = name_of(request) + " is being re-encrypted";
    e.fix = "wait for it, or interrupt it where it was begun";
    return e;
}

// A worker whose pmosd has died ends by itself, with the piece that it is at.
Result<void> wait_for_end(const Request& request) {
    for (Patience patience; is_being_reencrypted(request);)
        if (!patience.more()) return fail(at_work(request));
    return {};
}

// Overlay and zone stand still together: the overlay's new table, by which the zone has the new
// key, waits, and nothing of the zone was written anew. By the table that it has, all is true.
Result<void> go_back(const std::string& overlay, std::string_view dm_name) {
    PMOS_TRY(dm::forget_loaded(overlay));
    for (const auto& zone : hotzones_of(dm_name))
        if (dm::is_suspended(zone)) PMOS_TRY(dm::resume(zone));
    return dm::resume(overlay);
}

}  // namespace

Result<UniqueFd> take_turn(const Request& request) {
    PMOS_ASSIGN(UniqueFd source, open_source(request, false));
    struct flock all = whole(F_WRLCK);
    if (::fcntl(source.get(), F_OFD_SETLK, &all) == 0) return source;
    if (errno == EAGAIN || errno == EACCES) return fail(at_work(request));
    return fail(errno_error(errno, fmt::format("cannot lock '{}'", text(request.source))));
}

bool is_being_reencrypted(const Request& request) {
    const auto source = open_source(request, true);
    struct flock other = whole(F_RDLCK);
    return source && ::fcntl(source->get(), F_OFD_GETLK, &other) == 0 && other.l_type != F_UNLCK;
}

Result<void> let_go_of_helpers(const Request& request) {
    const auto dm_name = text(request.dm_name);
    if (!has_helpers(dm_name)) return {};
    PMOS_TRY(wait_for_end(request));
    const std::string overlay = overlay_of(dm_name);
    if (dm::is_suspended(overlay)) return go_back(overlay, dm_name);
    for (const auto& zone : hotzones_of(dm_name))
        if (dm::is_suspended(zone)) PMOS_TRY(dm::replace_by_error(zone));
    return {};
}

Result<void> remove_helpers(const Request& request) {
    if (!has_helpers(text(request.dm_name))) return {};
    for (const auto& name : helpers_of(text(request.dm_name))) PMOS_TRY(dm::remove(name));
    return {};
}

Result<void> remove_temporary_crypt(const Request& request) {
    if (!has_temporary_crypt()) return {};
    const auto names = mappings_on(request);
    if (!names) return {};
    for (const auto& name : *names) {
        const auto maker = maker_of(name);
        if (maker && ::kill(*maker, 0) != 0 && errno == ESRCH) PMOS_TRY(dm::remove(name));
    }
    return {};
}

}  // namespace pmos::volume
