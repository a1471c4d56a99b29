// tests: the version floor in a real, if soft, TPM: what it keeps, what it is not moved by, and
// what it says when it cannot.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "runtime/bundle/tpm_floor.h"
#include "soft_tpm.h"

using namespace pmos;
using namespace pmos::bundle;
using Catch::Matchers::Contains;
using test::SoftTpm;

namespace {

constexpr std::uint64_t kDate = 20261126;
// As docs/bundles.md has them: for who makes the index beforehand.
const std::string kHandle = "0x180706d";
const std::string kAttributes = "authread|authwrite|ownerread|no_da";
const std::string kDefine = "tpm2_nvdefine " + kHandle + " -s 16 -a '" + kAttributes + "'";

TpmFloor keeper_in(SoftTpm& soft) {
    return TpmFloor([&soft](bool) { return soft.open(); });
}

// Each by another process, as on the phone.
std::string floor_in(SoftTpm& soft) {
    const auto kept = keeper_in(soft).read(true);
    if (!kept) return "error: " + kept.error().message();
    return *kept ? fmt::format("{}", **kept) : "none";
}
std::string raise_in(SoftTpm& soft, std::uint64_t version) {
    const auto raised = keeper_in(soft).raise(version);
    return raised ? "" : raised.error().message();
}

}  // namespace

TEST_CASE("the floor leaps, never falls, and outlives power") {
    SoftTpm soft;
    CHECK(floor_in(soft) == "none");
    CHECK(raise_in(soft, 0).empty());
    CHECK(floor_in(soft) == "0");
    CHECK(raise_in(soft, kDate).empty());
    CHECK(raise_in(soft, 7).empty());
    CHECK(floor_in(soft) == "20261126");
    soft.pull_plug();
    soft.start();
    CHECK(floor_in(soft) == "20261126");
    CHECK(raise_in(soft, (1ULL << 53U) - 1).empty());
    CHECK(floor_in(soft) == "9007199254740991");
}

TEST_CASE("an index that was made and never written holds no floor yet") {
    SoftTpm soft;
    REQUIRE(soft.tool(kDefine) == 0);
    CHECK(floor_in(soft) == "none");
    CHECK(raise_in(soft, 3).empty());
    CHECK(floor_in(soft) == "3");
}

TEST_CASE("an index of somebody else is not used") {
    for (const char* other :
         {"-s 16 -a 'authread|authwrite|ownerread'", "-s 8 -a 'authread|authwrite|ownerread|no_da'",
          "-s 16 -a 'ownerread|ownerwrite|no_da'",
          "-a 'authread|authwrite|ownerread|no_da|nt=counter'"}) {
        SoftTpm soft;
        REQUIRE(soft.tool(fmt::format("tpm2_nvdefine {} {}", kHandle, other)) == 0);
        CHECK_THAT(floor_in(soft), Contains("0x180706d is not used: it is not one of pmos"));
        CHECK_THAT(raise_in(soft, 1), Contains("is not used"));
    }
    SoftTpm soft;
    REQUIRE(soft.tool(kDefine) == 0);
    REQUIRE(soft.tool(fmt::format("printf 'somebody else' | tpm2_nvwrite {0} -C {0} -i -",
                                  kHandle)) == 0);
    CHECK_THAT(floor_in(soft), Contains("holds no version"));
    CHECK_THAT(raise_in(soft, 1), Contains("holds no version"));
}

TEST_CASE("an index beside it is not taken for it") {
    SoftTpm soft;
    REQUIRE(soft.tool("tpm2_nvdefine 0x180706e -s 16") == 0);
    CHECK(floor_in(soft) == "none");
    CHECK(raise_in(soft, 1).empty());
    CHECK(floor_in(soft) == "1");
}

TEST_CASE("an owner with a password makes the index beforehand") {
    SoftTpm soft;
    REQUIRE(soft.tool("tpm2_changeauth -c owner secret") == 0);
    CHECK(floor_in(soft) == "none");
    CHECK_THAT(raise_in(soft, 1), Contains("cannot make the TPM's NV index"));
    CHECK(floor_in(soft) == "none");
    REQUIRE(soft.tool(kDefine + " -P secret") == 0);
    CHECK(raise_in(soft, 1).empty());
    CHECK(floor_in(soft) == "1");
    // Then nobody takes it away without that password.
    CHECK(soft.tool("tpm2_nvundefine " + kHandle) != 0);
    CHECK(floor_in(soft) == "1");
}

TEST_CASE("a TPM that is cleared has lost it, but for what the platform has made") {
    SoftTpm soft;
    REQUIRE(raise_in(soft, 5).empty());
    REQUIRE(soft.tool("tpm2_clear") == 0);
    CHECK(floor_in(soft) == "none");
    REQUIRE(soft.tool("tpm2_nvdefine " + kHandle + " -C p -s 16 -a '" + kAttributes +
                      "|platformcreate'") == 0);
    REQUIRE(raise_in(soft, 5).empty());
    REQUIRE(soft.tool("tpm2_clear") == 0);
    CHECK(floor_in(soft) == "5");
    CHECK(raise_in(soft, 6).empty());
}

TEST_CASE("others' guesses do not lock the floor away") {
    SoftTpm soft;
    REQUIRE(soft.tool("tpm2_dictionarylockout -s -n 1 -t 1000 -l 1000") == 0);
    REQUIRE(soft.tool("tpm2_nvdefine 0x1800001 -s 8 -a 'authread|authwrite' -p right") == 0);
    REQUIRE(soft.tool("echo 1 | tpm2_nvwrite 0x1800001 -C 0x1800001 -P right -i -") == 0);
    CHECK(soft.tool("tpm2_nvread 0x1800001 -C 0x1800001 -P wrong") != 0);
    // The right word is of no use any more: that is the lockout.
    CHECK(soft.tool("tpm2_nvread 0x1800001 -C 0x1800001 -P right") != 0);
    CHECK(raise_in(soft, 9).empty());
    CHECK(floor_in(soft) == "9");
}

TEST_CASE("a TPM that is busy is asked again, one that refuses is told of") {
    SoftTpm soft;
    REQUIRE(raise_in(soft, 1).empty());
    for (const TSS2_RC busy : {TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING, TPM2_RC_NV_RATE}) {
        soft.refusals.assign(8, busy);
        CHECK(floor_in(soft) == "1");
        CHECK(soft.refusals.empty());
    }
    soft.refusals.assign(8, TPM2_RC_NV_RATE);
    CHECK(raise_in(soft, 2).empty());
    soft.refusals.assign(10000, TPM2_RC_NV_RATE);
    const auto begin = std::chrono::steady_clock::now();
    CHECK_THAT(floor_in(soft), Contains("error: cannot ask the TPM") && Contains("0x920"));
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
    for (const TSS2_RC refused : {TPM2_RC_FAILURE, TPM2_RC_INITIALIZE, TPM2_RC_NV_UNAVAILABLE,
                                  TPM2_RC_LOCKOUT, TSS2_TCTI_RC_IO_ERROR}) {
        // At each command in turn: nothing is taken for a floor, and nothing is lowered.
        const auto refuse_after = [&](std::size_t commands) {
            soft.refusals.assign(commands, TSS2_RC_SUCCESS);
            soft.refusals.push_back(refused);
        };
        std::size_t commands = 0;
        for (;; ++commands) {
            refuse_after(commands);
            const auto seen = floor_in(soft);
            if (!soft.refusals.empty()) break;
            CHECK_THAT(seen, Contains("error: "));
        }
        CHECK(commands >= 4);
        soft.refusals.clear();
        for (commands = 0;; ++commands) {
            const auto before = std::stoull(floor_in(soft));
            refuse_after(commands);
            const auto raised = raise_in(soft, before + 1);
            const bool whole = !soft.refusals.empty();
            soft.refusals.clear();
            const auto after = std::stoull(floor_in(soft));
            CHECK(raised.empty() == whole);
            CHECK((whole ? after == before + 1 : after == before || after == before + 1));
            if (whole) break;
        }
        CHECK(commands >= 8);
    }
}

TEST_CASE("a TPM that goes away is an error, not a wait") {
    SoftTpm soft;
    REQUIRE(raise_in(soft, 1).empty());
    auto keeper = keeper_in(soft);
    REQUIRE(keeper.read(true));
    soft.pull_plug();
    CHECK_FALSE(keeper.read(true));
    CHECK_FALSE(keeper.raise(2));
    soft.start();
    CHECK(floor_in(soft) == "1");
}

TEST_CASE("a phone without a TPM says so, and waits for one only when told to") {
    using namespace std::chrono_literals;
    const auto now = [] { return std::chrono::steady_clock::now(); };
    const auto begin = now();
    const auto none = tpm::Tpm::open("/dev/no-such-tpm", 0ms);
    REQUIRE_FALSE(none);
    CHECK(none.error().code == Code::not_found);
    CHECK(now() - begin < 1s);
    CHECK(tpm::Tpm::open("/dev/no-such-tpm", 300ms).error().code == Code::not_found);
    CHECK(now() - begin >= 300ms);
    // There, and no TPM.
    auto keeper = TpmFloor([](bool) { return tpm::Tpm::open("/dev/null", 0ms); });
    const auto kept = keeper.read(true);
    REQUIRE_FALSE(kept);
    CHECK(kept.error().code != Code::not_found);
}

TEST_CASE("a TPM that the firmware names is waited for, whatever the storage says") {
    using namespace std::chrono_literals;
    namespace fs = std::filesystem;
    char name[] = "/tmp/pmos-sys-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    const fs::path sys = name;
    const auto how_long = [&] {
        const auto begin = std::chrono::steady_clock::now();
        const auto opened = open_tpm(false, {"/dev/no-such-tpm", sys, 300ms});
        REQUIRE_FALSE(opened);
        const bool waited = std::chrono::steady_clock::now() - begin >= 300ms;
        // Not taken for a phone without one: the floor is then said to be at fault.
        CHECK((opened.error().code == Code::not_found) == !waited);
        const auto words = opened.error().message();
        CHECK((words.find("the firmware names one") != words.npos) == waited);
        return waited;
    };
    CHECK_FALSE(how_long());
    const auto soc = sys / "firmware/devicetree/base/soc@0/spi@a40000";
    fs::create_directories(soc / "panel@0");
    std::ofstream(soc / "tpm") << "a property";
    fs::create_directory_symlink(sys, soc / "loop");
    CHECK_FALSE(how_long());
    for (const char* node : {"tpm@1", "ftpm"}) {
        fs::create_directory(soc / node);
        CHECK(how_long());
        fs::remove(soc / node);
    }
    CHECK_FALSE(how_long());
    fs::create_directories(sys / "firmware/acpi/tables");
    std::ofstream(sys / "firmware/acpi/tables/TPM2") << "TPM2";
    CHECK(how_long());
    fs::remove_all(sys);
}
