// peer: looks at the bytes that a client of D-Bus sends, before anything reads them: none may have
// a message larger than a mode needs. Pure.
#include "runtime/peer/frame_guard.h"

#include <algorithm>
#include <string_view>

namespace pmos::peer {
namespace {

constexpr std::string_view kBegin = "\r\nBEGIN\r\n";

std::uint32_t number(std::span<const std::byte, 4> bytes, bool little) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i)
        value = value << 8U | std::to_integer<std::uint32_t>(bytes[little ? 3 - i : i]);
    return value;
}

}  // namespace

// One byte 0, then lines; the last of them is BEGIN.
bool FrameGuard::auth(std::byte byte) noexcept {
    if (++seen_ > kMostAuth || (seen_ == 1 && byte != std::byte{0})) return false;
    const auto c = std::to_integer<char>(byte);
    if (c == kBegin[matched_])
        ++matched_;
    else
        matched_ = c == kBegin[0] ? 1 : 0;
    if (matched_ == kBegin.size()) state_ = State::header;
    return true;
}

bool FrameGuard::header() noexcept {
    const auto order = std::to_integer<char>(head_[0]);
    if ((order != 'l' && order != 'B') || head_[3] != std::byte{1}) return false;
    const std::span<const std::byte, 16> head(head_);
    const auto body = number(head.subspan<4, 4>(), order == 'l');
    const auto fields = number(head.subspan<12, 4>(), order == 'l');
    if (body > most_ || fields > most_) return false;
    left_ = (fields + 7U) / 8U * 8U + body;
    filled_ = 0;
    if (left_ + head_.size() > most_) return false;
    state_ = left_ == 0 ? State::header : State::rest;
    return true;
}

bool FrameGuard::take(std::span<const std::byte> bytes) noexcept {
    while (!bytes.empty() && state_ != State::broken) {
        bool good = true;
        std::size_t used = 1;
        if (state_ == State::auth) {
            good = auth(bytes[0]);
        } else if (state_ == State::header) {
            head_[filled_++] = bytes[0];
            if (filled_ == head_.size()) good = header();
        } else {
            used = std::min<std::size_t>(left_, bytes.size());
            left_ -= static_cast<std::uint32_t>(used);
            if (left_ == 0) state_ = State::header;
        }
        if (!good) state_ = State::broken;
        bytes = bytes.subspan(used);
    }
    return state_ != State::broken;
}

}  // namespace pmos::peer
