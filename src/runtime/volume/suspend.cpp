// volume: the key of an open volume leaves the kernel and comes back while its file system stays
// mounted. Whoever writes there must stand still; never freezes anybody itself, never logs.
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "runtime/volume/barriers.h"
#include "runtime/volume/dm.h"
#include "runtime/volume/enrollment.h"
#include "runtime/volume/header.h"
#include "runtime/volume/opening.h"
#include "runtime/volume/recover.h"
#include "runtime/volume/worker.h"

namespace pmos::volume {
namespace {

// More than any phone has: all that can go.
constexpr std::string_view kAll = "1T";

Result<void> check_ours(const Request& request) {
    PMOS_ASSIGN(const bool ours, is_mapping_of(request));
    if (ours) return {};
    return fail(Code::busy, fmt::format("device '{}' is another's", text(request.dm_name)),
                "it stands on another file or block device", "close it there first");
}

// Writes what the file system on it has not written yet, and drops the device's own cache.
Result<void> flush(const std::string& dm_name) {
    const UniqueFd device(
        ::open(("/dev/mapper/" + dm_name).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!device || ::ioctl(device.get(), BLKFLSBUF, 0) != 0)
        return fail(errno_error(errno, fmt::format("cannot write out device '{}'", dm_name)));
    return {};
}

// The mode's files leave the page cache; "" or why they may not have. EAGAIN: not all that was
// asked for could go, and all that could is gone.
std::string drop_cache(const UniqueFd& reclaim) {
    if (!reclaim) return "this kernel has no memory.reclaim: files of the mode stay in memory";
    if (::write(reclaim.get(), kAll.data(), kAll.size()) >= 0 || errno == EAGAIN) return {};
    return errno_error(errno, "files of the mode stay in memory").message();
}

Result<void> take_key(const std::string& dm_name) {
    PMOS_TRY(set_barriers(dm_name, false));
    PMOS_ASSIGN(auto crypt, CryptDevice::of_mapping(dm_name));
    auto taken = crypt.suspend(dm_name);
    if (taken) return {};
    Error cause = std::move(taken.error());
    if (auto undone = set_barriers(dm_name, true); !undone)
        cause.undo_failures.push_back(std::move(undone.error()));
    return fail(std::move(cause));
}

Event done(const std::string& beside) {
    Event event;
    event.kind = EventKind::done;
    event.provisioned = event.active = 1;
    beside.copy(event.why, sizeof event.why - 1);
    return event;
}

}  // namespace

Result<Event> suspend(const Request& request, UniqueFd reclaim, Channel& channel) {
    PMOS_TRY(channel.progress(100, "writing out"));
    const std::string dm_name(text(request.dm_name));
    const Mapping mapping = mapping_state(dm_name);
    if (mapping == Mapping::absent)
        return fail(Code::not_found, fmt::format("device '{}' is not open", dm_name));
    PMOS_TRY(check_ours(request));
    std::string kept;
    if (mapping == Mapping::suspended) {
        // A worker that was killed between the two halves of it left the key where it was.
        PMOS_TRY(dm::wipe_key(dm_name));
    } else {
        // What is to be dropped must be written first, and what dropping it writes once more.
        PMOS_TRY(flush(dm_name));
        kept = drop_cache(reclaim);
        PMOS_TRY(flush(dm_name));
        PMOS_TRY(channel.progress(600, "taking the key away"));
        PMOS_TRY(take_key(dm_name));
    }
    Event event = done(kept);
    event.suspended = 1;
    return event;
}

Result<Event> resume(const Request& request, UniqueFd secret_fd, Channel& channel) {
    const std::string dm_name(text(request.dm_name));
    if (mapping_state(dm_name) != Mapping::suspended)
        return fail(Code::failed, fmt::format("device '{}' is not suspended", dm_name));
    PMOS_TRY(check_ours(request));
    PMOS_ASSIGN(const auto secret, read_secret_of(request, secret_fd));
    PMOS_TRY(channel.catch_signals());
    PMOS_ASSIGN(auto crypt, CryptDevice::of_mapping(dm_name, std::string(text(request.header))));
    PMOS_TRY(crypt.check_loaded());
    PMOS_TRY(channel.progress(300, opening_step(request, crypt, secret, "deriving the key")));
    PMOS_ASSIGN(const Opened opened,
                open_judged(request, crypt, channel, secret,
                            [&](int slot, auto passphrase) -> Result<void> {
                                PMOS_TRY(crypt.resume(dm_name, passphrase, slot));
                                return {};
                            }));
    // As with an opening: the mode is worth more than a keyslot too many.
    Result<void> wanted;
    if (auto settled = settle(request, crypt, opened.keyslot); !settled)
        wanted = channel.detail("unsettled", settled.error().message());
    if (wanted) wanted = set_barriers(dm_name, true);
    // Nobody is left who knows that it is open.
    if (wanted) wanted = channel.progress(1000, "open");
    if (wanted) return done(opened.not_kept);
    Error cause = std::move(wanted.error());
    if (auto undone = take_key(dm_name); !undone)
        cause.undo_failures.push_back(std::move(undone.error()));
    return fail(std::move(cause));
}

Result<Event> cut_off(const Request& request, Channel& channel) {
    PMOS_TRY(channel.progress(100, "cutting off"));
    const std::string dm_name(text(request.dm_name));
    PMOS_TRY(let_go_of_helpers(request));
    if (mapping_state(dm_name) == Mapping::suspended) PMOS_TRY(dm::replace_by_error(dm_name));
    return done("");
}

}  // namespace pmos::volume
