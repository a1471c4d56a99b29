// volume: a header as it was, kept on the storage while another one is written over it. Writes
// nothing but that header.
#include "runtime/volume/undo_header.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "runtime/volume/files.h"
#include "runtime/volume/header.h"
#include "runtime/volume/request.h"
#include "runtime/volume/source.h"
#include "runtime/volume/write_at.h"

namespace pmos::volume {
namespace {

constexpr std::size_t kPart = 1 << 20;

std::string place_of(const Request& request) { return std::string(text(request.undo)); }

Result<void> make_directories(const std::string& path) {
    for (const auto& directory : {directory_of(path), path})
        if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
            return fail(errno_error(errno, fmt::format("cannot make directory '{}'", directory)));
    return sync_directory(directory_of(path));
}

Result<UniqueFd> open_device(const std::string& device, int flags) {
    UniqueFd fd(::open(device.c_str(), flags | O_CLOEXEC));
    if (!fd) return fail(errno_error(errno, fmt::format("cannot open '{}'", device)));
    return fd;
}

Result<void> wipe(BorrowedFd file, off_t size, const std::string& place) {
    return write_zeros(file, static_cast<std::uint64_t>(size),
                       fmt::format("cannot wipe '{}'", place));
}

std::optional<CryptDevice> header_in(const std::string& path) {
    auto crypt = CryptDevice::of_device(path);
    if (!crypt || !crypt->load()) return std::nullopt;
    return std::move(*crypt);
}

// A copy that was kept for a piece to be mended is of use as long as the header says of that piece
// what the copy does: then only keyslots can be gone. Behind that, it would undo what was written
// since.
bool is_mended(const CryptDevice& kept, const CryptDevice& now) {
    if (kept.reencryption() != CryptDevice::Reencryption::crashed) return false;
    const auto before = kept.metadata(), after = now.metadata();
    return before && after && *before != *after;
}

}  // namespace

Result<void> copy_bytes(BorrowedFd from, BorrowedFd to, std::uint64_t bytes) {
    std::vector<std::byte> part(kPart);
    for (std::uint64_t at = 0; at < bytes;) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kPart, bytes - at));
        const ssize_t n = ::pread(from.get(), part.data(), wanted, static_cast<off_t>(at));
        if (n < 0) return fail(errno_error(errno, "cannot read the header"));
        if (n == 0) return fail(Code::failed, "cannot read the header", "it ends too early");
        PMOS_TRY(write_at(to, std::span(part).first(static_cast<std::size_t>(n)), at,
                          "cannot write the header"));
        at += static_cast<std::uint64_t>(n);
    }
    if (::fsync(to.get()) != 0 && errno != EINVAL)
        return fail(errno_error(errno, "cannot write the header"));
    return {};
}

Result<void> keep_header(const Request& request, const std::string& device, std::uint64_t bytes) {
    const std::string place = place_of(request);
    PMOS_TRY(make_directories(directory_of(place)));
    PMOS_TRY(forget_header(request));
    PMOS_TRY(remove_leftovers(place));
    PMOS_ASSIGN(const UniqueFd from, open_device(device, O_RDONLY));
    PMOS_ASSIGN(TemporaryFile file, TemporaryFile::make(place));
    auto kept = copy_bytes(from.borrow(), file.fd(), bytes);
    if (kept) kept = file.keep();
    if (kept) return {};
    Error cause = std::move(kept.error());
    if (cause.code == Code::no_space)
        cause.fix = fmt::format("free some space for '{}', {} KiB", place, bytes >> 10);
    return fail(file.discard(std::move(cause)));
}

Result<void> forget_header(const Request& request) {
    const std::string place = place_of(request);
    const UniqueFd file(::open(place.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file && errno == ENOENT) return {};
    struct stat st {};
    if (!file || ::fstat(file.get(), &st) != 0)
        return fail(errno_error(errno, fmt::format("cannot open '{}'", place)));
    // The name goes first: what is half wiped must not be put back by anybody.
    if (::unlink(place.c_str()) != 0)
        return fail(errno_error(errno, fmt::format("cannot remove '{}'", place)));
    PMOS_TRY(sync_directory(directory_of(place)));
    return wipe(file.borrow(), st.st_size, place);
}

std::vector<std::string> kept_headers(const Request& request) {
    const std::string directory = directory_of(place_of(request));
    std::vector<std::string> names{std::string(text(request.name))}, found;
    for (const auto& other : other_volumes(request)) names.push_back(other.name);
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
        const std::string file = entry.path().filename();
        const auto is_of = [&](const std::string& name) {
            return file == name || file.starts_with(name + std::string(kTemporarySuffix));
        };
        if (std::ranges::any_of(names, is_of)) found.push_back(entry.path());
    }
    return found;
}

Result<void> forget_all_headers(const Request& request) {
    for (const auto& place : kept_headers(request)) {
        const UniqueFd file(::open(place.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
        struct stat st {};
        if (!file || ::fstat(file.get(), &st) != 0)
            return fail(errno_error(errno, fmt::format("cannot open '{}'", place)));
        PMOS_TRY(wipe(file.borrow(), st.st_size, place));
        if (::unlink(place.c_str()) != 0)
            return fail(errno_error(errno, fmt::format("cannot remove '{}'", place)));
        PMOS_TRY(sync_directory(directory_of(place)));
    }
    return {};
}

Result<void> put_header_back(const Request& request) {
    const std::string place = place_of(request);
    if (place.empty()) return {};
    // Of one that was killed before its copy was whole: nothing had been written over yet.
    PMOS_TRY(remove_leftovers(place));
    if (::access(place.c_str(), F_OK) != 0) return {};
    if (mapping_state(std::string(text(request.dm_name))) != Mapping::absent)
        return fail(Code::busy, name_of(request) + " has to be closed first",
                    "its header was not written to its end",
                    fmt::format("pmosctl lock --evict {}", text(request.mode)));
    PMOS_TRY(check_unused(request));
    PMOS_ASSIGN(const auto device, SourceDevice::attach(request, false));
    PMOS_TRY(device.crypt());
    return put_header_back(request, device.header());
}

Result<void> put_header_back(const Request& request, const std::string& device) {
    const std::string place = place_of(request);
    PMOS_ASSIGN(const UniqueFd kept, open_device(place, O_RDONLY | O_NOFOLLOW));
    struct stat st {};
    if (::fstat(kept.get(), &st) != 0)
        return fail(errno_error(errno, fmt::format("cannot look at '{}'", place)));
    const auto before = header_in(place), now = header_in(device);
    if (before && now && before->uuid() != now->uuid()) return {};
    if (before && now && is_mended(*before, *now)) return forget_header(request);
    PMOS_ASSIGN(const UniqueFd to, open_device(device, O_WRONLY));
    PMOS_TRY(copy_bytes(kept.borrow(), to.borrow(), static_cast<std::uint64_t>(st.st_size)));
    return forget_header(request);
}

}  // namespace pmos::volume
