// tests: what bytes of a client are let on to the bus.
#include "runtime/peer/frame_guard.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <span>
#include <string>

namespace {

using pmos::peer::FrameGuard;

const std::string kHello("\0AUTH EXTERNAL 30\r\nBEGIN\r\n", 26);

std::string header(char order, std::uint32_t body, std::uint32_t fields, char version = 1) {
    std::string out{order, 1, 0, version};
    const auto put = [&](std::uint32_t value) {
        for (unsigned i = 0; i < 4; ++i)
            out += static_cast<char>(value >> 8U * (order == 'B' ? 3 - i : i) & 0xffU);
    };
    put(body);
    put(1);
    put(fields);
    return out;
}

bool takes(FrameGuard& guard, const std::string& bytes) {
    return guard.take(std::as_bytes(std::span(bytes)));
}

bool passes(const std::string& bytes) {
    FrameGuard whole, pieces;
    const bool at_once = takes(whole, bytes);
    bool one_by_one = true;
    for (const char c : bytes) one_by_one = takes(pieces, std::string(1, c));
    CHECK(at_once == one_by_one);
    return at_once;
}

TEST_CASE("messages of a reasonable size pass") {
    CHECK(passes(kHello));
    for (const char order : {'l', 'B'})
        CHECK(passes(kHello + header(order, 5, 3) + std::string(13, 'x') + header(order, 0, 0) +
                     header(order, 65000, 16)));
    // Lines before BEGIN may hold anything, and BEGIN counts only as a line.
    CHECK(passes(std::string("\0AUTH\r\nxBEGIN\r\n\r\r\nBEGIN\r\n", 25) + header('l', 0, 8)));
}

TEST_CASE("anything else ends the client") {
    CHECK_FALSE(passes("AUTH EXTERNAL 30\r\nBEGIN\r\n"));
    CHECK_FALSE(passes(std::string(1, '\0') + std::string(2000, 'x')));
    CHECK_FALSE(passes(kHello + header('x', 0, 0)));
    CHECK_FALSE(passes(kHello + header('l', 0, 0, 2)));
    CHECK_FALSE(passes(kHello + header('l', 65536, 0)));
    CHECK_FALSE(passes(kHello + header('l', 0xffffffff, 0)));
    CHECK_FALSE(passes(kHello + header('B', 0, 0xffffffff)));
    CHECK_FALSE(passes(kHello + header('l', 40000, 40000)));
    FrameGuard guard;
    CHECK_FALSE(takes(guard, "x"));
    CHECK_FALSE(takes(guard, kHello));
}

}  // namespace
