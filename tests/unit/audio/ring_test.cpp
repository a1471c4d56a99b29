// tests: the memory that pmos-audio shares with a mode's side.
#include "runtime/audio/ring.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "runtime/audio/line.h"

using namespace pmos;
using namespace pmos::audio;

namespace {

std::vector<Frame> frames(std::uint32_t count, int from = 1) {
    std::vector<Frame> out(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto value = static_cast<std::int16_t>(from + static_cast<int>(i));
        out[i] = {value, static_cast<std::int16_t>(-value)};
    }
    return out;
}

RingMemory make() {
    auto made = RingMemory::make();
    REQUIRE(made);
    return std::move(*made);
}

}  // namespace

TEST_CASE("what is written is read, in its order") {
    const auto ring = make();
    RingWriter writer(*ring);
    RingReader reader(*ring);
    std::vector<Frame> out(kQuantum);
    for (int turn = 0; turn < 100; ++turn) {  // around the ring, some six times
        const auto in = frames(kQuantum, turn * 100);
        CHECK(writer.push(in) == kQuantum);
        CHECK(reader.pull(out) == kQuantum);
        CHECK(out == in);
    }
}

TEST_CASE("what is not there is silence") {
    const auto ring = make();
    RingWriter writer(*ring);
    RingReader reader(*ring);
    writer.push(frames(3));
    std::vector<Frame> out(5, Frame{7, 7});
    CHECK(reader.pull(out) == 3);
    CHECK(out == std::vector<Frame>{{1, -1}, {2, -2}, {3, -3}, {}, {}});
    CHECK(reader.pull(out) == 0);
    CHECK(out == std::vector<Frame>(5));
}

TEST_CASE("what finds no room is not written, and no frame is written twice") {
    const auto ring = make();
    RingWriter writer(*ring);
    CHECK(writer.push(frames(SharedRing::kFrames - 10)) == SharedRing::kFrames - 10);
    CHECK(writer.push(frames(20)) == 10);
    CHECK(writer.push(frames(1)) == 0);
    CHECK(writer.push_silence(1) == 0);
}

TEST_CASE("who reads too late gets the newest") {
    const auto ring = make();
    RingWriter writer(*ring);
    RingReader reader(*ring);
    writer.push(frames(kMostWaiting + 1));
    std::vector<Frame> out(2 * kQuantum);
    CHECK(reader.pull(out) == kQuantum);
    CHECK(out[0].left == static_cast<std::int16_t>(kMostWaiting + 1 - kQuantum + 1));
}

TEST_CASE("the other side goes on after this one was started again") {
    const auto ring = make();
    RingWriter writer(*ring);
    writer.push(frames(4));
    std::vector<Frame> out(2);
    RingReader(*ring).pull(out);
    CHECK(RingReader(*ring).pull(out) == 2);
    CHECK(out[0].left == 3);
    CHECK(RingWriter(*ring).at() == 4);
}

TEST_CASE("whatever stands in the shared words, no frame outside of the ring is touched") {
    // The ring's end is the end of its mapping: ASan and the kernel watch what lies behind.
    const auto ring = make();
    RingWriter writer(*ring);
    RingReader reader(*ring);
    std::mt19937 random(1);
    std::vector<Frame> out(2 * SharedRing::kFrames), in = frames(2 * SharedRing::kFrames);
    for (int turn = 0; turn < 2000; ++turn) {
        ring->written.store(static_cast<std::uint32_t>(random()));
        ring->read.store(static_cast<std::uint32_t>(random()));
        CHECK(writer.push(in) <= SharedRing::kFrames);
        CHECK(writer.push_silence(static_cast<std::uint32_t>(random())) <= SharedRing::kFrames);
        ring->written.store(static_cast<std::uint32_t>(random()));
        CHECK(reader.pull(out) <= kMostWaiting);
        reader.drop(static_cast<std::uint32_t>(random()));
    }
}

TEST_CASE("the memory can be made no smaller, and what is no ring is not taken for one") {
    const auto ring = make();
    CHECK(::ftruncate(ring.fd().get(), 0) != 0);
    CHECK(::ftruncate(ring.fd().get(), 1 << 20) != 0);
    UniqueFd other(::memfd_create("other", MFD_CLOEXEC));
    REQUIRE(::ftruncate(other.get(), 4096) == 0);
    CHECK_FALSE(RingMemory::map(std::move(other)));
}

TEST_CASE("nothing that the other side does to a line makes this one wait") {
    auto made = make_line();
    REQUIRE(made);
    const auto& [own, other] = *made;
    const auto hears = [](const UniqueFd& end) {
        pollfd poll_fd{.fd = end.get(), .events = POLLIN, .revents = 0};
        return ::poll(&poll_fd, 1, 0) > 0;
    };
    ring_up(own.borrow());
    CHECK(hears(other));
    hear_out(other.borrow());
    CHECK_FALSE(hears(other));
    // It takes nothing, and so no descriptor either.
    CHECK(::send(other.get(), "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0);
    // Full, and with its other side set to wait.
    ::fcntl(other.get(), F_SETFL, 0);
    for (int i = 0; i < 100000; ++i) ring_up(own.borrow());
    // Hung up, and gone.
    ::shutdown(other.get(), SHUT_RDWR);
    ring_up(own.borrow());
    made->at(1).reset();
    ring_up(own.borrow());
}
