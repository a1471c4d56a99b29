// tests: the ledger of slots comes back as it was written, and is not guessed at.
#include "runtime/bundle/ledger.h"

#include <catch2/catch.hpp>
#include <span>

#include "policy/hash.h"

using namespace pmos::bundle;
using Catch::Matchers::Contains;

namespace {

const std::string kOne(64, '1'), kTwo(64, '2');

// As it would be if somebody had meant it so.
std::string with_sum(const std::string& text) {
    return text + "sum " +
           pmos::policy::sha256_hex(std::as_bytes(std::span(text.data(), text.size()))) + "\n";
}
std::string without_sum(const std::string& text) { return text.substr(0, text.rfind("sum ")); }

}  // namespace

TEST_CASE("a ledger comes back as it was written") {
    Ledger ledger;
    CHECK(read_ledger(write_ledger(ledger)).value() == ledger);
    ledger.floor = UINT64_MAX;
    ledger.good = Held{Slot::b, kOne};
    ledger.trial = Held{Slot::c, kTwo};
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
    ledger.good = Held{Slot::a, kOne};
    const std::string text = write_ledger(ledger);
    for (std::size_t size = 0; size < text.size(); ++size)
        CHECK_FALSE(read_ledger(text.substr(0, size)));
    CHECK_FALSE(read_ledger(text + "x"));
    for (std::size_t at = 0; at < text.size(); ++at) {
        std::string flipped = text;
        flipped[at] = static_cast<char>(flipped[at] ^ 1);
        INFO(flipped);
        CHECK_FALSE(read_ledger(flipped));
    }
    for (const auto& [from, to] :
         {std::pair("floor 7", "floor 07x"), std::pair("floor 7", "floor"),
          std::pair("good a", "good d"), std::pair("good a 1", "good a "),
          std::pair("good a 1", "good a g"), std::pair("tries 0", "tries -1"),
          std::pair("kept file", "kept tpm")}) {
        std::string changed = without_sum(text);
        changed.replace(changed.find(from), std::string_view(from).size(), to);
        INFO(changed);
        CHECK_FALSE(read_ledger(with_sum(changed)));
    }
    std::string twice = without_sum(text);
    twice.replace(twice.find("trial none"), 10, "trial a " + kTwo);
    CHECK_FALSE(read_ledger(with_sum(twice)));
}

TEST_CASE("a ledger that cannot be read says what is wrong with it") {
    const auto why = [](const std::string& text) {
        const auto ledger = read_ledger(text);
        REQUIRE_FALSE(ledger);
        CHECK_THAT(ledger.error().fix, Contains("docs/bundles.md"));
        return ledger.error().why;
    };
    CHECK_THAT(why("pmos-policy-slots 1\nfloor 7\n"),
               Contains("another version of pmos") && Contains("'pmos-policy-slots 1'"));
    CHECK_THAT(why("nonsense"), Contains("damaged"));
    std::string text = write_ledger(Ledger());
    CHECK_THAT(why(text.substr(0, text.size() - 1)), Contains("checksum"));
    text[text.find("floor 0") + 6] = '9';
    CHECK_THAT(why(text), Contains("checksum"));
}

TEST_CASE("the slot to write is neither the good one's nor the trial's") {
    Ledger ledger;
    for (int i = 0; i < 7; ++i) {
        const Slot first = ledger.free_slot();
        ledger = ledger.with_trial({first, kOne});
        const Slot second = ledger.free_slot();
        CHECK(second != first);
        CHECK((!ledger.good || second != ledger.good->slot));
        ledger = ledger.with_trial({second, kTwo}).confirmed(static_cast<std::uint64_t>(i + 1));
        CHECK(ledger.good == Held{second, kTwo});
        CHECK(ledger.floor == static_cast<std::uint64_t>(i + 1));
        CHECK_FALSE(ledger.trial);
    }
    CHECK(ledger.with_trial({ledger.free_slot(), kOne}).confirmed(1).floor == 7);
}
