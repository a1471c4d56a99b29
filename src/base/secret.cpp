// base: memory for secrets. Locked, kept out of core dumps and children, wiped at the end.
#include "base/secret.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pmos {
namespace {

std::size_t whole_pages(std::size_t n) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return (n + page - 1) / page * page;
}

}  // namespace

Result<SecretBuffer> SecretBuffer::make(std::size_t capacity) {
    const std::size_t size = whole_pages(std::max<std::size_t>(capacity, 1));
    void* p = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return fail(errno_error(errno, "cannot map memory for a secret"));
    SecretBuffer buffer(static_cast<std::byte*>(p), size);
    if (::mlock(p, size) != 0)
        return fail(errno_error(errno, "cannot lock memory for a secret", "raise RLIMIT_MEMLOCK"));
    if (::madvise(p, size, MADV_DONTDUMP) != 0 || ::madvise(p, size, MADV_WIPEONFORK) != 0)
        return fail(errno_error(errno, "cannot keep a secret out of dumps and children"));
    return buffer;
}

SecretBuffer::SecretBuffer(SecretBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      capacity_(std::exchange(other.capacity_, 0)),
      size_(std::exchange(other.size_, 0)) {}

SecretBuffer& SecretBuffer::operator=(SecretBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    std::swap(size_, other.size_);
    return *this;
}

SecretBuffer::~SecretBuffer() {
    if (data_ == nullptr) return;
    wipe();
    ::munmap(data_, capacity_);
}

void SecretBuffer::wipe() noexcept {
    if (data_ != nullptr) ::explicit_bzero(data_, capacity_);
    size_ = 0;
}

Result<SecretBuffer> read_any_secret(BorrowedFd fd, std::size_t max) {
    PMOS_ASSIGN(auto secret, SecretBuffer::make(max + 1));
    auto room = secret.storage();
    std::size_t used = 0;
    while (used < room.size()) {
        const ssize_t n = ::read(fd.get(), room.data() + used, room.size() - used);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(errno_error(errno, "cannot read the secret"));
        if (n == 0) break;
        const auto end = room.begin() + static_cast<std::ptrdiff_t>(used) + n;
        const auto newline =
            std::find(room.begin() + static_cast<std::ptrdiff_t>(used), end, std::byte{'\n'});
        used = static_cast<std::size_t>(newline - room.begin());
        if (newline != end) break;
    }
    if (used > max) return fail(Code::usage, "the secret is too long");
    secret.set_size(used);
    return secret;
}

Result<SecretBuffer> read_secret(BorrowedFd fd, std::size_t max) {
    PMOS_ASSIGN(auto secret, read_any_secret(fd, max));
    if (secret.bytes().empty()) return fail(Code::usage, "the secret is empty");
    return secret;
}

}  // namespace pmos
