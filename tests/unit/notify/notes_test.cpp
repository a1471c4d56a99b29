// tests: the notifications of one mode.
#include "runtime/notify/notes.h"

#include <catch2/catch.hpp>

using namespace pmos::notify;
using namespace std::chrono_literals;

namespace {

Note note(const std::string& summary, Clock::time_point due = Clock::time_point::max()) {
    Note made;
    made.summary = summary;
    made.due = due;
    return made;
}

struct Box {
    std::uint32_t add(Note one, std::uint32_t replaces = 0) {
        now += Notes::kEach;
        const auto id = notes.add(std::move(one), replaces, now, gone);
        return id ? *id : 0;
    }
    Notes notes;
    std::vector<Notes::Gone> gone;
    Clock::time_point now = Clock::time_point(1h);
};

}  // namespace

TEST_CASE("each has a number of its own, and one may take another's place") {
    Box box;
    CHECK(box.add(note("one")) == 1);
    CHECK(box.add(note("two")) == 2);
    CHECK(box.add(note("other"), 1) == 1);
    REQUIRE(box.notes.count() == 2);
    CHECK(box.notes.find(1)->summary == "other");
    // As the specification says, also where there is none.
    CHECK(box.add(note("seven"), 3) == 3);
    CHECK(box.add(note("next")) == 4);
    CHECK(box.notes.count() == 4);
    CHECK(box.gone.empty());
}

TEST_CASE("where there are too many the oldest goes") {
    Box box;
    for (std::size_t i = 0; i < Notes::kMost; ++i) box.add(note("x"));
    CHECK(box.gone.empty());
    box.add(note("last"));
    REQUIRE(box.gone.size() == 1);
    CHECK(box.gone[0].id == 1);
    CHECK(box.gone[0].reason == Reason::undefined);
    CHECK(box.notes.count() == Notes::kMost);
    CHECK(box.notes.find(1) == nullptr);
}

TEST_CASE("who says too much at once is refused, and may speak again") {
    Box box;
    unsigned taken = 0;
    for (unsigned i = 0; i < 1000; ++i)
        if (box.notes.add(note("x"), 1, box.now, box.gone)) ++taken;
    CHECK(taken == Notes::kBurst);
    const auto before = box.notes.revision();
    CHECK_FALSE(box.notes.add(note("x"), 1, box.now + Notes::kEach / 2, box.gone));
    CHECK(box.notes.revision() == before);
    CHECK(box.notes.add(note("x"), 1, box.now + Notes::kEach, box.gone));
    CHECK_FALSE(box.notes.add(note("x"), 1, box.now + Notes::kEach, box.gone));
    taken = 0;
    for (unsigned i = 0; i < 1000; ++i)
        if (box.notes.add(note("x"), 1, box.now + 1h, box.gone)) ++taken;
    CHECK(taken == Notes::kBurst);
}

TEST_CASE("it goes when its time is over, when it is closed, and with all others") {
    Box box;
    const auto soon = box.now + 10s;
    const auto timed = box.add(note("timed", soon)), stays = box.add(note("stays"));
    CHECK(box.notes.next_due() == soon);
    CHECK(box.notes.expire(soon - 1ms).empty());
    const auto gone = box.notes.expire(soon);
    REQUIRE(gone.size() == 1);
    CHECK(gone[0].id == timed);
    CHECK(gone[0].reason == Reason::expired);
    CHECK_FALSE(box.notes.next_due());
    CHECK_FALSE(box.notes.remove(timed));
    const auto third = box.add(note("third"));
    CHECK(box.notes.remove(third));
    CHECK(box.notes.clear().size() == 1);
    CHECK(box.notes.find(stays) == nullptr);
    CHECK(box.notes.clear().empty());
}

TEST_CASE("a change shows, and nothing else does") {
    Box box;
    const auto id = box.add(note("one"));
    const auto first = box.notes.revision();
    box.notes.remove(77);
    box.notes.expire(box.now);
    CHECK(box.notes.revision() == first);
    box.add(note("other"), id);
    CHECK(box.notes.revision() != first);
}

TEST_CASE("what was said is wiped") {
    Note one = note(std::string(100, 's'));
    one.actions.emplace_back("key", "words");
    const char* at = one.summary.data();
    one.wipe();
    CHECK(std::string(at, 100) == std::string(100, '\0'));
    CHECK(one.summary.empty());
    CHECK(one.actions[0].first.empty());
}
