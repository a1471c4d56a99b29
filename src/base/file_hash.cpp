// base: SHA-256 of a whole file, however large. Follows no link, never blocks on what is no file.
#include "base/file_hash.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

namespace pmos {

Result<FileHash> hash_file(BorrowedFd fd, const std::string& path) {
    const std::string what = fmt::format("cannot read '{}'", path);
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return fail(errno_error(errno, what));
    if (!S_ISREG(st.st_mode)) return fail(Code::usage, what, "it is not a regular file");
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    FileHash out;
    std::vector<unsigned char> chunk(1U << 20U);
    for (;;) {
        const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(errno_error(errno, what));
        if (n == 0) break;
        crypto_hash_sha256_update(&state, chunk.data(), static_cast<unsigned long long>(n));
        out.size += static_cast<std::uint64_t>(n);
    }
    std::array<unsigned char, crypto_hash_sha256_BYTES> hash{};
    crypto_hash_sha256_final(&state, hash.data());
    for (const unsigned char byte : hash) out.sha256 += fmt::format("{:02x}", byte);
    return out;
}

Result<FileHash> hash_file(const std::string& path) {
    const UniqueFd fd(
        ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    const std::string what = fmt::format("cannot read '{}'", path);
    if (!fd && errno == ELOOP) return fail(Code::usage, what, "it is a symbolic link");
    if (!fd) return fail(errno_error(errno, what));
    return hash_file(fd.borrow(), path);
}

}  // namespace pmos
