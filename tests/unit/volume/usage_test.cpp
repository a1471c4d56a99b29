// tests: what a superblock says of its file system, and that nonsense is not believed.
#include "runtime/volume/usage.h"

#include <catch2/catch.hpp>
#include <cstring>

using namespace pmos::volume;

namespace {

struct Raw {
    unsigned char bytes[1024]{};
    void put(std::size_t at, std::uint32_t value) { std::memcpy(bytes + at, &value, sizeof value); }
};

Raw sample() {
    Raw raw;
    raw.put(0x4, 12288);
    raw.put(0xC, 10000);
    raw.put(0x18, 2);
    raw.put(0x38, 0xEF53);
    return raw;
}

}  // namespace

TEST_CASE("a superblock tells blocks and what is free of them") {
    auto raw = sample();
    auto s = parse_superblock(raw.bytes);
    REQUIRE(s);
    CHECK(s->block_size == 4096);
    CHECK(s->blocks == 12288);
    CHECK(s->free == 10000);
    raw.put(0x150, 1);
    CHECK(parse_superblock(raw.bytes)->blocks == 12288);  // the upper half counts with 64bit only
    raw.put(0x60, 0x80);
    CHECK(parse_superblock(raw.bytes)->blocks == (1ULL << 32) + 12288);
}

TEST_CASE("what is no ext4 superblock is refused") {
    auto raw = sample();
    raw.put(0x38, 0);
    CHECK_FALSE(parse_superblock(raw.bytes));
    raw = sample();
    raw.put(0x18, 7);
    CHECK_FALSE(parse_superblock(raw.bytes));
    raw = sample();
    raw.put(0xC, 12289);
    CHECK_FALSE(parse_superblock(raw.bytes));
}
