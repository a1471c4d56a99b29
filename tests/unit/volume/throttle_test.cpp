// tests: the table of delays, what of one remains on the boot clock, and the text of the record.
#include "runtime/volume/throttle.h"

#include <catch2/catch.hpp>
#include <map>
#include <vector>

using namespace pmos::volume;
using namespace std::chrono_literals;
using std::chrono::seconds;

namespace {

BootMoment at(std::chrono::microseconds since_boot, const std::string& boot = "this") {
    return {boot, since_boot};
}

Attempts failures(std::uint32_t n, BootMoment when) {
    Attempts a;
    a.failures = n;
    a.last = std::move(when);
    return a;
}

constexpr seconds kDay = 24h;

}  // namespace

TEST_CASE("the delays are Android's") {
    const std::vector<seconds> table{0s,        0s,         0s,         0s,          0s,
                                     1min,      5min,       15min,      30min,       90min,
                                     4h,        12h,        36h,        4 * kDay,    13 * kDay,
                                     41 * kDay, 123 * kDay, 365 * kDay, 1095 * kDay, 3285 * kDay};
    REQUIRE(table.size() == kLastFailure);
    for (std::uint32_t n = 0; n < table.size(); ++n) {
        INFO(n);
        CHECK(delay_after(n) == table[n]);
    }
    for (const std::uint32_t n : {20U, 21U, 1000U, UINT32_MAX}) CHECK_FALSE(delay_after(n));
}

TEST_CASE("a delay runs on the boot clock and is never shorter than it says") {
    const auto five = failures(5, at(100s));
    CHECK(remaining(five, at(100s)) == 60s);
    CHECK(remaining(five, at(100s + 1us)) == 60s);
    CHECK(remaining(five, at(159s)) == 1s);
    CHECK(remaining(five, at(160s - 1us)) == 1s);
    CHECK(remaining(five, at(160s)) == 0s);
    CHECK(remaining(five, at(900h)) == 0s);
    CHECK(remaining(failures(4, at(100s)), at(100s)) == 0s);
    CHECK_FALSE(remaining(failures(20, at(100s)), at(24h * 36500)));
}

TEST_CASE("a reboot begins the delay again, and no clock cuts it short") {
    const auto nine = failures(9, at(10h, "before"));
    CHECK(remaining(nine, at(0s)) == 90min);
    CHECK(remaining(nine, at(30min)) == 60min);
    CHECK(remaining(nine, at(90min)) == 0s);
    // A moment of this boot that is yet to come: nothing has been waited.
    CHECK(remaining(failures(9, at(10h)), at(9h)) == 90min);
    CHECK(remaining(failures(9, at(-10h)), at(0s)) == 0s);
}

TEST_CASE("what cannot be read is the longest delay") {
    CHECK(remaining(Attempts::unreadable(), at(1h)) == 3285 * kDay - 1h);
}

TEST_CASE("failures are counted to the last and no further, and success clears them") {
    Attempts a;
    a.writes = 7;
    for (std::uint32_t n = 1; n <= kLastFailure; ++n) {
        a = a.failed(at(seconds(n)));
        CHECK(a.failures == n);
    }
    CHECK(a.failed(at(1h)).failures == kLastFailure);
    CHECK(a.cleared().failures == 0);
    CHECK(a.cleared().writes == 7);
}

TEST_CASE("a record reads as what was written, and with any one byte changed not at all") {
    Attempts a = failures(12, at(123456789us, "8dbf2c4e-9b0f-4d7c-8f0e-3f6c1a2b3c4d"));
    a.writes = UINT64_MAX;
    const std::string text = write_record(a);
    REQUIRE(text.size() == kRecordBytes);
    const auto back = read_record(text);
    REQUIRE(back);
    CHECK(back->writes == a.writes);
    CHECK(back->failures == 12);
    CHECK(back->last.boot_id == a.last.boot_id);
    CHECK(back->last.since_boot == a.last.since_boot);
    for (std::size_t i = 0; i < text.size(); ++i)
        for (const char change : {'\x01', '\x10', '\x7f'}) {
            std::string other = text;
            other[i] = static_cast<char>(other[i] ^ change);
            CHECK_FALSE(read_record(other));
        }
    for (std::size_t size = 0; size < text.size(); ++size)
        CHECK_FALSE(read_record(std::string_view(text).substr(0, size)));
    CHECK_FALSE(read_record(text + "\n"));
    CHECK_FALSE(read_record(std::string(kRecordBytes, '\0')));
    CHECK(read_record(write_record(Attempts())));
}

TEST_CASE("a wait is said in two units") {
    const std::map<seconds, std::string> words{{1s, "1 s"},
                                               {59s, "59 s"},
                                               {60s, "1 min"},
                                               {250s, "4 min 10 s"},
                                               {90min, "1 h 30 min"},
                                               {36h, "1 d 12 h"},
                                               {36h + 59s, "1 d 12 h"},
                                               {123 * kDay, "123 d"},
                                               {3285 * kDay - 1s, "8 y 364 d"}};
    for (const auto& [wait, text] : words) CHECK(in_words(wait) == text);
}
