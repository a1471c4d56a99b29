// peer: looks at the bytes that a client of D-Bus sends, before anything reads them: none may have
// a message larger than a mode needs. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pmos::peer {

class FrameGuard {
  public:
    static constexpr std::uint32_t kMostBytes = 64U << 10U;  // of a message
    static constexpr std::uint32_t kMostAuth = 1024;         // before the first one

    explicit FrameGuard(std::uint32_t most_bytes = kMostBytes) noexcept : most_(most_bytes) {}

    // Whether what has come so far may go on; once not, never again.
    bool take(std::span<const std::byte> bytes) noexcept;
    bool authenticated() const noexcept { return state_ != State::auth; }

  private:
    enum class State : std::uint8_t { auth, header, rest, broken };
    bool auth(std::byte byte) noexcept;
    bool header() noexcept;

    std::uint32_t most_;
    State state_ = State::auth;
    std::uint32_t seen_ = 0;     // bytes of the authentication
    std::uint32_t matched_ = 0;  // of "\r\nBEGIN\r\n"
    std::array<std::byte, 16> head_{};
    std::uint32_t filled_ = 0;
    std::uint32_t left_ = 0;  // of the message after its header
};

}  // namespace pmos::peer
