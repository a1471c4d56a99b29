// tests: which of the kernel's messages are about a block of an image.
#include "runtime/daemon/image_watch.h"

#include <catch2/catch.hpp>

#include "runtime/launch/verified_image.h"

using namespace pmos;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

std::string uevent(const std::string& block, const std::string& device = "dm-3") {
    std::string text = "change@/devices/virtual/block/" + device;
    for (const std::string& word :
         {"ACTION=change"s, "SUBSYSTEM=block"s, "DM_VERITY_ERR_BLOCK_NR=" + block, "MAJOR=254"s,
          "DEVNAME=" + device, "DISKSEQ=17"s, "SEQNUM=2000"s})
        text += '\0' + word;
    return text;
}

}  // namespace

TEST_CASE("a damaged block is found in the kernel's message") {
    const auto data = daemon::corrupt_block_in(uevent("0,81"));
    REQUIRE(data);
    CHECK(data->device == "dm-3");
    CHECK(data->sequence == "17");
    CHECK(data->block == 81);
    CHECK_FALSE(data->in_tree);
    const auto tree = daemon::corrupt_block_in(uevent("1,18446744073709551615"));
    REQUIRE(tree);
    CHECK(tree->in_tree);
    CHECK(tree->block == UINT64_MAX);
}

TEST_CASE("what is no damaged block is none") {
    for (const auto& block :
         {"", "0", "0,", "2,5", "0,x", "0,5x", "0,-1", "0,18446744073709551616"})
        CHECK_FALSE(daemon::corrupt_block_in(uevent(block)));
    CHECK_FALSE(daemon::corrupt_block_in(uevent("0,5", "sda")));
    CHECK_FALSE(daemon::corrupt_block_in(uevent("0,5", "dm-1/../../x")));
    CHECK_FALSE(daemon::corrupt_block_in(""));
    CHECK_FALSE(daemon::corrupt_block_in("change@/x\0ACTION=change\0DEVNAME=dm-1"sv));
    CHECK_FALSE(daemon::corrupt_block_in("\0\0\0"sv));
}

TEST_CASE("a device's name says whose root it is, and no volume's does") {
    CHECK(launch::mode_of_device(launch::verified_device_name("secure")) == "secure");
    CHECK(launch::mode_of_device("pmos-secure.root.2") == "secure");
    for (const auto* name : {"pmos-secure-root", "pmos-secure-data", "pmos-secure.rootx", "root",
                             "secure.root", "pmos-secure-data.tmp", ""})
        CHECK(launch::mode_of_device(name).empty());
}
