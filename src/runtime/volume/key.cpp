// volume: the secret that opens a volume, in locked memory. The device key's file is read and
// made here and nowhere else; never logs.
#include "runtime/volume/key.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/volume/files.h"
#include "runtime/volume/request.h"

namespace pmos::volume {
namespace {

constexpr int kSecretPatienceMs = 30000;

Result<void> write_random(BorrowedFd fd, const std::string& path) {
    PMOS_ASSIGN(auto key, SecretBuffer::make(kDeviceKeyBytes));
    const auto room = key.storage().first(kDeviceKeyBytes);
    if (::getrandom(room.data(), room.size(), 0) != static_cast<ssize_t>(room.size()))
        return fail(errno_error(errno, "cannot get random bytes for a device key"));
    if (::write(fd.get(), room.data(), room.size()) != static_cast<ssize_t>(room.size()) ||
        ::fsync(fd.get()) != 0)
        return fail(errno_error(errno, fmt::format("cannot write device key '{}'", path)));
    return {};
}

// A caller that never writes must not hold up the mode's other operations.
Result<void> wait_for_secret(BorrowedFd fd) {
    pollfd readable{fd.get(), POLLIN, 0};
    if (::poll(&readable, 1, kSecretPatienceMs) != 0) return {};
    return fail(Code::timed_out, "no secret came",
                fmt::format("within {} s", kSecretPatienceMs / 1000), "enter the mode's PIN");
}

Result<void> make_private_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return fail(errno_error(errno, fmt::format("cannot make directory '{}'", path)));
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0)
        return fail(errno_error(errno, fmt::format("cannot look at '{}'", path)));
    if (!S_ISDIR(st.st_mode) || st.st_uid != ::geteuid() || (st.st_mode & 0077) != 0)
        return fail(Code::denied, fmt::format("device keys cannot be kept in '{}'", path),
                    "it is not a directory that only root can enter",
                    fmt::format("chown root {0} && chmod 0700 {0}", path));
    return {};
}

}  // namespace

Result<SecretBuffer> read_pin(BorrowedFd fd) {
    if (!fd) return fail(Code::usage, "no secret was given", "", "enter the mode's PIN");
    PMOS_TRY(wait_for_secret(fd));
    return read_secret(fd, kMaxSecret);
}

Result<SecretBuffer> read_offered(BorrowedFd fd) {
    if (!fd) return SecretBuffer::make(1);
    PMOS_TRY(wait_for_secret(fd));
    return read_any_secret(fd, kMaxSecret);
}

Result<SecretBuffer> read_device_key(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd)
        return fail(errno_error(errno, fmt::format("cannot read device key '{}'", path),
                                "without this file the volume cannot be opened"));
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0)
        return fail(errno_error(errno, fmt::format("cannot look at device key '{}'", path)));
    if (!S_ISREG(st.st_mode) || st.st_uid != ::geteuid() || (st.st_mode & 0077) != 0)
        return fail(Code::denied, fmt::format("device key '{}' refused", path),
                    "it is not a file that only root can read",
                    fmt::format("chown root {0} && chmod 0600 {0}", path));
    PMOS_ASSIGN(auto key, SecretBuffer::make(kDeviceKeyBytes));
    const ssize_t n = ::read(fd.get(), key.storage().data(), kDeviceKeyBytes);
    if (n < 0) return fail(errno_error(errno, fmt::format("cannot read device key '{}'", path)));
    if (n != static_cast<ssize_t>(kDeviceKeyBytes) || st.st_size != n)
        return fail(Code::failed, fmt::format("device key '{}' is damaged", path),
                    fmt::format("it has {} bytes, not {}", st.st_size, kDeviceKeyBytes),
                    "restore it from a backup");
    key.set_size(kDeviceKeyBytes);
    return key;
}

Result<void> destroy_device_key(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd && errno == ENOENT) return {};
    if (!fd) return fail(errno_error(errno, fmt::format("cannot open device key '{}'", path)));
    PMOS_TRY(write_random(fd.borrow(), path));
    if (::unlink(path.c_str()) != 0)
        return fail(errno_error(errno, fmt::format("cannot remove device key '{}'", path)));
    return sync_directory(directory_of(path));
}

Result<bool> make_device_key(const std::string& path) {
    PMOS_TRY(make_private_directory(directory_of(path)));
    if (::access(path.c_str(), F_OK) == 0) return false;
    PMOS_ASSIGN(TemporaryFile file, TemporaryFile::make(path));
    if (auto written = write_random(file.fd(), path); !written)
        return fail(file.discard(std::move(written.error())));
    auto kept = file.keep();
    if (kept) return true;
    // Another worker was quicker: its key is as good.
    Error error = file.discard(std::move(kept.error()));
    if (error.code == Code::already_exists) return false;
    return fail(std::move(error));
}

}  // namespace pmos::volume
