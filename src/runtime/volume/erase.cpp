// volume: the end of a volume, with consent: nothing opens it any more, and nothing is left in the
// way of a new one. Asks for no secret: the data can only be lost by it. Never logs.
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/volume/apart.h"
#include "runtime/volume/destroy.h"
#include "runtime/volume/ending.h"
#include "runtime/volume/files.h"
#include "runtime/volume/filesystem.h"
#include "runtime/volume/header.h"
#include "runtime/volume/helpers.h"
#include "runtime/volume/judge.h"
#include "runtime/volume/key.h"
#include "runtime/volume/recover.h"
#include "runtime/volume/undo_header.h"
#include "runtime/volume/worker.h"

namespace pmos::volume {
namespace {

std::string apart_of(const Request& request) { return std::string(text(request.header)); }
bool is_there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Result<void> check_closed(const Request& request) {
    const std::string dm_name(text(request.dm_name));
    PMOS_TRY(unmap(temporary_dm_name(dm_name)));
    if (mapping_state(dm_name) == Mapping::absent && !has_helpers(dm_name)) return {};
    return fail(Code::busy, name_of(request) + " is open", "its key is in the kernel",
                fmt::format("pmosctl lock --evict {}", text(request.mode)));
}

// Of a block device its header tells that it is the volume, or the mark of one that is apart.
Result<bool> is_volume_on(const Request& request) {
    const auto source = open_source(request, true);
    if (!source && source.error().sys_errno == ENOENT) return false;
    if (!source) return fail(source.error());
    if (request.block_device == 0) return true;
    const std::string path(text(request.source));
    if (!apart_of(request).empty()) return is_marked_apart(path);
    auto crypt = CryptDevice::of_device(path);
    if (crypt && crypt->load()) return true;
    PMOS_ASSIGN(const std::string signature, find_signature(path));
    if (signature.empty()) return false;
    if (signature == "crypto_LUKS") return true;
    return fail(Code::busy, fmt::format("'{}' is left as it is", path),
                fmt::format("it carries '{}', and no volume", signature),
                "correct the volume's source in the profile");
}

// "", or what stays of it elsewhere.
Result<std::string> end_keys(const Request& request, const std::string& header) {
    const auto destroyed = destroy_keyslots(request, header);
    maybe_die_at("all-keyslots");
    PMOS_TRY(wipe_header(header));
    PMOS_TRY(destroyed.keyslots);
    PMOS_TRY(unmark_ending(request));  // nobody is at work on it: it is our turn
    maybe_die_at("header");
    if (destroyed.outside) return std::string();
    return "its share stays in the TPM, and opens nothing: " + destroyed.outside.error().message();
}

Result<std::string> destroy_keys(const Request& request) {
    PMOS_ASSIGN(const bool there, is_volume_on(request));
    if (!there) {
        const std::string apart = apart_of(request);
        return is_there(apart) ? end_keys(request, apart) : Result<std::string>("");
    }
    PMOS_TRY(check_unused(request));
    PMOS_ASSIGN(const auto turn, take_turn(request));
    PMOS_ASSIGN(const auto device, SourceDevice::attach(request, false));
    PMOS_TRY(device.crypt());
    return end_keys(request, device.header());
}

Result<void> remove_file(const std::string& path) {
    PMOS_TRY(remove_leftovers(path));
    if (::unlink(path.c_str()) != 0) {
        if (errno == ENOENT) return {};
        return fail(errno_error(errno, fmt::format("cannot remove '{}'", path)));
    }
    return sync_directory(directory_of(path));
}

// Only when nothing in it opens any more. The header comes last: a volume whose header is not there
// may have it on a card that comes back, and is not erased.
Result<void> remove_volume(const Request& request) {
    const std::string source(text(request.source)), apart = apart_of(request);
    if (request.block_device == 0) PMOS_TRY(remove_file(source));
    if (apart.empty()) return {};
    if (request.block_device != 0) {
        PMOS_ASSIGN(const bool marked, is_volume_on(request));
        if (marked) {
            PMOS_ASSIGN(const UniqueFd device, open_source(request, false));
            PMOS_TRY(unmark_apart(device.borrow()));
        }
    }
    return remove_file(apart);
}

}  // namespace

Result<Event> erase(const Request& request, Channel& channel) {
    PMOS_TRY(check_closed(request));
    // The last word on whether to do it; what is begun is brought to its end.
    PMOS_TRY(channel.catch_signals());
    PMOS_TRY(channel.progress(100, "destroying the keys"));
    PMOS_ASSIGN(const std::string stays, destroy_keys(request));
    PMOS_TRY(forget_all_headers(request));
    if (request.key == KeyKind::device_key)
        PMOS_TRY(destroy_device_key(std::string(text(request.key_file))));
    PMOS_TRY(remove_volume(request));
    PMOS_TRY(begin_count(request));
    if (!stays.empty()) PMOS_TRY(channel.detail("unsettled", stays));
    Event event;
    event.kind = EventKind::done;
    return event;
}

}  // namespace pmos::volume
