// volume: the file or block device behind a volume, and what is on it. Only looks, never writes.
#include "runtime/volume/source.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>

#include "runtime/volume/apart.h"
#include "runtime/volume/dm.h"
#include "runtime/volume/filesystem.h"
#include "runtime/volume/helpers.h"
#include "runtime/volume/patience.h"

namespace pmos::volume {
namespace {

std::string source_of(const Request& request) { return std::string(text(request.source)); }

Result<struct stat> stat_of(BorrowedFd fd, const std::string& path) {
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0)
        return fail(errno_error(errno, fmt::format("cannot look at '{}'", path)));
    return st;
}

Error in_use(const Request& request, const std::string& who) {
    Error e;
    e.code = Code::busy;
    e.what = fmt::format("volume '{}' is already in use", text(request.source));
    e.why = fmt::format("by {}", who);
    e.fix = "close it there first";
    return e;
}

// Also while it is re-encrypted, or has integrity, and stands on others itself.
bool is_ours(const Request& request, const std::vector<std::string>& mappings) {
    const std::string dm_name(text(request.dm_name));
    const auto helpers = helpers_of(dm_name);
    return std::ranges::any_of(mappings, [&](const std::string& name) {
        return name == dm_name || name == dm::integrity_name(dm_name) ||
               std::ranges::count(helpers, name) != 0;
    });
}

std::optional<LoopUser> foreign_user(const Request& request, BorrowedFd source) {
    for (auto& user : find_loop_users(source))
        if (!is_ours(request, user.mappings)) return std::move(user);
    return std::nullopt;
}

// Of a volume with its header apart a block device tells only by its mark that it is one.
Result<bool> carries_something(const Request& request, const std::string& device) {
    if (text(request.header).empty()) {
        PMOS_ASSIGN(const std::string signature, find_signature(device));
        return !signature.empty();
    }
    return is_marked_apart(device);
}

Result<Inspected> inspect_header(const Request& request, const SourceDevice& device) {
    PMOS_ASSIGN(auto crypt, device.crypt());
    PMOS_TRY(crypt.load());
    if (!crypt.has_keyslot()) return Inspected{Content::unfinished, "it has no key yet", ""};
    if (!crypt.has_complete_token(request))
        return Inspected{Content::unfinished, "its mark of completeness is missing", ""};
    return Inspected{Content::complete, "", crypt.uuid()};
}

}  // namespace

Result<UniqueFd> open_source(const Request& request, bool read_only) {
    const std::string path = source_of(request);
    const bool block = request.block_device != 0;
    // Block devices are named by links (/dev/disk/by-partlabel), files are not.
    const int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;
    UniqueFd fd(::open(path.c_str(), flags | (block ? 0 : O_NOFOLLOW)));
    if (!fd) return fail(errno_error(errno, fmt::format("cannot open volume '{}'", path)));
    PMOS_ASSIGN(const struct stat st, stat_of(fd.borrow(), path));
    if (block ? S_ISBLK(st.st_mode) : S_ISREG(st.st_mode)) return fd;
    return fail(Code::usage, fmt::format("'{}' cannot hold a volume", path),
                block ? "it is not a block device" : "it is not a regular file",
                "correct the volume's source in the profile");
}

Result<SourceDevice> SourceDevice::attach(const Request& request, bool read_only) {
    SourceDevice device;
    PMOS_ASSIGN(device.file_, open_source(request, read_only));
    device.path_ = device.name_ = source_of(request);
    device.header_ = text(request.header);
    if (request.block_device != 0) return device;
    PMOS_ASSIGN(auto loop, LoopDevice::attach(device.file_.borrow(), device.path_, read_only));
    device.path_ = loop.path();
    device.loop_ = std::move(loop);
    return device;
}

Result<CryptDevice> SourceDevice::crypt() const {
    if (header_.empty()) return CryptDevice::of_device(path_);
    struct stat st {};
    if (::lstat(header_.c_str(), &st) == 0 && S_ISREG(st.st_mode))
        return CryptDevice::of_device(header_, path_);
    return fail(Code::not_found, fmt::format("the header of '{}' is not there", name_),
                fmt::format("its profile says that it is the file '{}'", header_),
                "bring it back, or a backup of it under that name");
}

Result<Inspected> inspect_source(const Request& request) {
    // Of the source alone: where a loop device is what is missing, the volume is not.
    if (const auto source = open_source(request, true);
        !source && source.error().sys_errno == ENOENT)
        return Inspected{};
    PMOS_ASSIGN(const auto device, SourceDevice::attach(request, true));
    if (request.block_device != 0) {
        PMOS_ASSIGN(const bool carries, carries_something(request, device.path()));
        if (!carries) return Inspected{};
    }
    return inspect_header(request, device);
}

Result<std::vector<std::string>> mappings_on(const Request& request) {
    PMOS_ASSIGN(const UniqueFd source, open_source(request, true));
    if (request.block_device != 0) {
        PMOS_ASSIGN(const struct stat st, stat_of(source.borrow(), source_of(request)));
        return mappings_above(
            fmt::format("/sys/dev/block/{}:{}", major(st.st_rdev), minor(st.st_rdev)));
    }
    std::vector<std::string> names;
    for (const auto& user : find_loop_users(source.borrow()))
        names.insert(names.end(), user.mappings.begin(), user.mappings.end());
    return names;
}

Result<bool> is_mapping_of(const Request& request) {
    PMOS_ASSIGN(const auto mapping, CryptDevice::of_mapping(std::string(text(request.dm_name))));
    PMOS_ASSIGN(const UniqueFd source, open_source(request, true));
    if (request.block_device == 0) {
        return std::ranges::any_of(find_loop_users(source.borrow()), [&](const LoopUser& user) {
            return is_ours(request, user.mappings);
        });
    }
    struct stat below {};
    PMOS_ASSIGN(const struct stat st, stat_of(source.borrow(), source_of(request)));
    return ::stat(mapping.device().c_str(), &below) == 0 && below.st_rdev == st.st_rdev;
}

Result<void> check_unused(const Request& request) {
    PMOS_ASSIGN(const UniqueFd source, open_source(request, true));
    if (request.block_device == 0) {
        // A loop device that has just been given up, ours from looking at the header included,
        // stays as long as udev looks at it.
        for (Patience patience;;) {
            const auto user = foreign_user(request, source.borrow());
            if (!user) return {};
            if (!user->mappings.empty())
                return fail(in_use(request, fmt::format("device '{}'", user->mappings.front())));
            if (!patience.more())
                return fail(in_use(request, fmt::format("loop device '{}'", user->loop)));
        }
    }
    // O_EXCL on a block device: nobody has mounted or mapped it.
    const UniqueFd exclusive(::open(source_of(request).c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
    if (exclusive || errno != EBUSY) return {};
    return fail(in_use(request, "a mount or another device on top of it"));
}

}  // namespace pmos::volume
