// tests: what a build without a TPM (-Dtpm=disabled) makes of the version floor. Linked with that
// build's keeper in every build.
#include <catch2/catch.hpp>

#include "runtime/bundle/floor.h"

using namespace pmos;
using namespace pmos::bundle;

namespace {

void check_says_so(const Result<>& settled) {
    REQUIRE_FALSE(settled.has_value());
    CHECK(settled.error().message().find("this build of pmos has no TPM support") !=
          std::string::npos);
    CHECK(settled.error().fix.find("install one that has it") != std::string::npos);
}

}  // namespace

TEST_CASE("a build without a TPM uses no policy where the floor is to be in one, and says why") {
    const auto keeper = make_tpm_keeper();
    check_says_so(Floor(keeper.get(), FloorIn::tpm).settle(Ledger{}));
}

TEST_CASE("nor where a TPM keeps the floor already") {
    const auto keeper = make_tpm_keeper();
    Ledger ledger;
    ledger.in_keeper = true;
    check_says_so(Floor(keeper.get(), FloorIn::tpm_if_there).settle(ledger));
}

TEST_CASE("elsewhere it has the floor in the file, and finds no fault in that") {
    const auto keeper = make_tpm_keeper();
    for (const auto where : {FloorIn::file, FloorIn::tpm_if_there}) {
        Ledger ledger;
        ledger.floor = 7;
        Floor floor(keeper.get(), where);
        REQUIRE(floor.settle(ledger).has_value());
        floor.raise(8);
        CHECK(floor.version() == 7);
        CHECK(floor.kept_in() == "file");
        CHECK(floor.fault().empty());
    }
}
