// tests: the ledger of slots comes back as it was written, and is not guessed at.
#include "runtime/bundle/ledger.h"

#include <catch2/catch.hpp>

using namespace pmos::bundle;

TEST_CASE("a ledger comes back as it was written") {
    Ledger ledger;
    CHECK(read_ledger(write_ledger(ledger)).value() == ledger);
    ledger.floor = UINT64_MAX;
    ledger.good = Slot::b;
    ledger.trial = Slot::a;
    ledger.tries = 2;
    ledger.fallen = "for a reason: 'x' [y]";
    ledger.in_keeper = true;
    CHECK(read_ledger(write_ledger(ledger)).value() == ledger);
    // A reason is one line, whatever it was made of.
    const auto odd = ledger.without_trial("two\nlines\x1b[2J");
    CHECK(read_ledger(write_ledger(odd)).value() == odd);
}

TEST_CASE("a damaged ledger is no ledger") {
    Ledger ledger;
    ledger.floor = 7;
    ledger.good = Slot::a;
    const std::string text = write_ledger(ledger);
    for (std::size_t size = 0; size < text.size(); ++size)
        CHECK_FALSE(read_ledger(text.substr(0, size)));
    CHECK_FALSE(read_ledger(text + "x"));
    for (const auto& [from, to] :
         {std::pair("floor 7", "floor 07x"), std::pair("floor 7", "floor"),
          std::pair("good a", "good c"), std::pair("trial none", "trial a"),
          std::pair("tries 0", "tries -1"), std::pair("kept file", "kept tpm"),
          std::pair("slots 1", "slots 2")}) {
        std::string changed = text;
        changed.replace(changed.find(from), std::string_view(from).size(), to);
        CHECK_FALSE(read_ledger(changed));
    }
}

TEST_CASE("the slot to write is never the good one") {
    Ledger ledger;
    for (int i = 0; i < 4; ++i) {
        const Slot slot = ledger.free_slot();
        CHECK(ledger.good != slot);
        ledger = ledger.with_trial(slot).confirmed(static_cast<std::uint64_t>(i + 1));
        CHECK(ledger.good == slot);
        CHECK(ledger.floor == static_cast<std::uint64_t>(i + 1));
        CHECK_FALSE(ledger.trial);
    }
    CHECK(ledger.with_trial(ledger.free_slot()).confirmed(1).floor == 4);
}
