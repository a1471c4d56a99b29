// volume: files that are whole under their name or not there at all. Never writes content.
#include "runtime/volume/files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "runtime/volume/request.h"

namespace pmos::volume {
namespace {

std::vector<std::string> temporary_files(const std::string& final_path) {
    std::vector<std::string> found;
    const std::string prefix = final_path + std::string(kTemporarySuffix);
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(directory_of(final_path), ignored))
        if (entry.path().string().starts_with(prefix)) found.push_back(entry.path());
    return found;
}

bool is_locked(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    return fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace

Result<TemporaryFile> TemporaryFile::make(const std::string& final_path) {
    std::string path = final_path + std::string(kTemporarySuffix) + "XXXXXX";
    UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));  // O_EXCL, 0600
    if (!fd)
        return fail(errno_error(
            errno, fmt::format("cannot make a file in '{}'", directory_of(final_path))));
    TemporaryFile file(std::move(fd), std::move(path), final_path);
    if (::flock(file.fd().get(), LOCK_EX | LOCK_NB) != 0)
        return fail(file.discard(errno_error(errno, fmt::format("cannot lock '{}'", file.path()))));
    return file;
}

Result<void> TemporaryFile::keep() {
    if (::fsync(fd_.get()) != 0)
        return fail(errno_error(errno, fmt::format("cannot sync '{}'", path_)));
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, final_path_.c_str(), RENAME_NOREPLACE) != 0)
        return fail(errno_error(errno, fmt::format("cannot give '{}' its name", final_path_)));
    auto synced = sync_directory(directory_of(final_path_));
    // Nothing may keep the final name behind an error: the caller undoes what belongs to it.
    if (!synced) ::unlink(final_path_.c_str());
    return synced;
}

Result<void> TemporaryFile::remove() {
    if (::unlink(path_.c_str()) != 0 && errno != ENOENT)
        return fail(errno_error(errno, fmt::format("cannot remove '{}'", path_)));
    return {};
}

Error TemporaryFile::discard(Error cause) {
    if (auto removed = remove(); !removed)
        cause.undo_failures.push_back(std::move(removed.error()));
    return cause;
}

Result<bool> remove_leftovers(const std::string& final_path) {
    for (const auto& path : temporary_files(final_path)) {
        if (is_locked(path)) return false;
        if (::unlink(path.c_str()) != 0 && errno != ENOENT)
            return fail(errno_error(errno, fmt::format("cannot remove '{}'", path)));
    }
    return true;
}

bool is_being_made(const std::string& final_path) {
    for (const auto& path : temporary_files(final_path))
        if (is_locked(path)) return true;
    return false;
}

Result<UniqueFd> make_memory_file() {
    UniqueFd fd(::memfd_create("header", MFD_CLOEXEC));
    if (!fd) return fail(errno_error(errno, "cannot make a file in memory"));
    return fd;
}

std::string path_of(const UniqueFd& fd) { return fmt::format("/proc/self/fd/{}", fd.get()); }

}  // namespace pmos::volume
