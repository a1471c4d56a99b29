// base: memory for secrets. Locked, kept out of core dumps and children, wiped at the end.
#pragma once

#include <cstddef>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace pmos {

// A fixed-size buffer in an anonymous mapping of its own: mlock(2), MADV_DONTDUMP,
// MADV_WIPEONFORK (Linux 4.14); explicit_bzero before it is unmapped.
class SecretBuffer {
  public:
    static Result<SecretBuffer> make(std::size_t capacity);
    SecretBuffer(SecretBuffer&& other) noexcept;
    SecretBuffer& operator=(SecretBuffer&& other) noexcept;
    SecretBuffer(const SecretBuffer&) = delete;
    SecretBuffer& operator=(const SecretBuffer&) = delete;
    ~SecretBuffer();

    std::span<std::byte> storage() noexcept { return {data_, capacity_}; }
    std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
    void set_size(std::size_t size) noexcept { size_ = size <= capacity_ ? size : capacity_; }
    void wipe() noexcept;

  private:
    SecretBuffer(std::byte* data, std::size_t capacity) noexcept
        : data_(data), capacity_(capacity) {}

    std::byte* data_ = nullptr;
    std::size_t capacity_ = 0;
    std::size_t size_ = 0;
};

// Reads a secret to end of file or to its first newline (which is dropped).
// Errors: usage when it is empty or longer than max bytes; errno errors of read(2).
Result<SecretBuffer> read_secret(BorrowedFd fd, std::size_t max);
// The same, but an empty one is none: its size is 0.
Result<SecretBuffer> read_any_secret(BorrowedFd fd, std::size_t max);

}  // namespace pmos
