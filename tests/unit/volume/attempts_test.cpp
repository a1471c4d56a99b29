// tests: the two copies of the record: power that goes at any write and leaves any half of it, one
// damaged copy and two, and the directory on this kernel.
#include "runtime/volume/attempts.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <utility>
#include <vector>

using namespace pmos;
using namespace pmos::volume;
namespace fs = std::filesystem;

namespace {

using Copies = std::map<std::size_t, std::string>;

// What a copy that has gone bad still takes, from the least of its faults to the worst.
enum class Bad {
    in_place,    // it can be replaced
    full,        // there is no room to replace it
    removable,   // only its name goes away
    unreadable,  // nothing, and it cannot be read
    stuck,       // nothing, and what it said stays readable
};

// Ends at the change number `power`; found() is each state that may be on the storage then.
class FakeDisk : public AttemptDisk {
  public:
    explicit FakeDisk(Copies copies = {}, int power = -1)
        : copies_(std::move(copies)), found_{copies_}, power_(power) {}

    Result<std::string> read(std::size_t copy) override {
        if (broken == static_cast<int>(copy)) return fail(Code::failed, "input/output error");
        const auto it = copies_.find(copy);
        if (it == copies_.end()) return fail(Code::not_found, "no copy");
        return it->second;
    }
    Result<void> write(std::size_t copy, std::string_view bytes) override {
        if (off_) return fail(Code::cancelled, "the power is off");
        if (bad_ && bad_->first == copy) return spoil(copy);
        const auto old = copies_.find(copy);
        const bool last = power_-- == 0;
        if (last && old != copies_.end() && old->second.size() == bytes.size()) {
            const std::string was = old->second;
            for (const std::size_t cut : {std::size_t{1}, bytes.size() / 2, bytes.size() - 1}) {
                tear(copy, std::string(bytes.substr(0, cut)) + was.substr(cut));
                tear(copy, was.substr(0, cut) + std::string(bytes.substr(cut)));
            }
            tear(copy, std::string(bytes.size(), '\0'));
        }
        Copies written = copies_;
        written[copy] = bytes;
        return change(written, last);
    }
    Result<void> replace(std::size_t copy, std::string_view bytes) override {
        if (off_) return fail(Code::cancelled, "the power is off");
        if (bad_ && bad_->first == copy && bad_->second != Bad::in_place)
            return fail(bad_->second == Bad::full ? Code::no_space : Code::failed, "no new file");
        if (bad_ && bad_->first == copy) bad_.reset();
        Copies written = copies_;
        written[copy] = bytes;
        return change(written, power_-- == 0);
    }
    Result<void> remove(std::size_t copy) override {
        if (off_) return fail(Code::cancelled, "the power is off");
        if (bad_ && bad_->first == copy && bad_->second >= Bad::unreadable)
            return fail(Code::failed, "cannot be removed");
        Copies left = copies_;
        left.erase(copy);
        return change(left, power_-- == 0);
    }
    void spoil_writes_to(std::size_t copy, Bad how) {
        bad_ = {copy, how};
        if (how == Bad::unreadable) broken = static_cast<int>(copy);
    }
    const std::vector<Copies>& found() const { return found_; }
    const Copies& copies() const { return copies_; }
    int broken = -1;

  private:
    Result<void> change(const Copies& to, bool last) {
        if (last) {
            off_ = true;
            found_.push_back(to);
            return fail(Code::cancelled, "the power is off");
        }
        copies_ = to;
        found_ = {copies_};
        return {};
    }
    Result<void> spoil(std::size_t copy) {
        // Half of it, where it can be had; a full disk writes nothing.
        if (bad_->second == Bad::removable || bad_->second == Bad::in_place) copies_[copy] = "half";
        found_ = {copies_};
        return fail(bad_->second == Bad::full ? Code::no_space : Code::failed,
                    "input/output error");
    }
    void tear(std::size_t copy, std::string text) {
        Copies torn = copies_;
        torn[copy] = std::move(text);
        found_.push_back(std::move(torn));
    }
    Copies copies_;
    std::vector<Copies> found_;
    int power_;
    bool off_ = false;
    std::optional<std::pair<std::size_t, Bad>> bad_;
};

Attempts of(std::uint32_t failures) {
    Attempts a;
    a.failures = failures;
    a.last = {"boot", std::chrono::seconds(failures)};
    return a;
}

std::uint32_t read(const Copies& copies) {
    FakeDisk disk(copies);
    const AttemptRecord record(disk);
    CHECK_FALSE(record.damaged());
    return record.attempts().failures;
}

Copies with(std::uint32_t failures) {
    FakeDisk disk;
    REQUIRE(AttemptRecord(disk).write(of(failures)));
    return disk.copies();
}

struct TemporaryDirectory {
    std::string path = "/tmp/pmos-attempts-test-XXXXXX";
    TemporaryDirectory() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
    ~TemporaryDirectory() { fs::remove_all(path); }
};

void overwrite(const std::string& path, std::string_view text) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

}  // namespace

TEST_CASE("power that goes at any write leaves the old count or the new one") {
    int states = 0;
    // From nothing, and from a count; then again from each state that was found, for the power may
    // go twice: the copy that is whole must not be the first to be written over.
    for (const Copies& begin : {Copies(), with(3)}) {
        const std::uint32_t before = begin.empty() ? 0 : 3;
        for (int first = 0; first <= 2; ++first) {
            FakeDisk disk(begin, first);
            const bool written = AttemptRecord(disk).write(of(4)).has_value();
            if (first != 1) CHECK(written == (first == 2));
            for (const Copies& after : disk.found()) {
                const auto count = read(after);
                CHECK((count == before || count == 4));
                if (first > 0) CHECK(count == 4);
                for (int second = 0; second <= 2; ++second) {
                    FakeDisk again(after, second);
                    const bool done = AttemptRecord(again).write(of(9)).has_value();
                    for (const Copies& end : again.found()) {
                        ++states;
                        const auto last = read(end);
                        CHECK((last == 9 || (!done && last == count)));
                    }
                }
            }
        }
    }
    CHECK(states > 300);
}

TEST_CASE("either copy alone is enough, and the next write mends the other") {
    for (const std::size_t bad : {0U, 1U}) {
        for (const std::string& what :
             {std::string("garbage"), std::string(), std::string(512, 'x')}) {
            Copies copies = with(6);
            copies[bad] = what;
            FakeDisk disk(copies);
            AttemptRecord record(disk);
            CHECK(record.attempts().failures == 6);
            REQUIRE(record.write(of(7)));
            CHECK(read({{0, disk.copies().at(0)}}) == 7);
            CHECK(read({{0, disk.copies().at(1)}}) == 7);
        }
        Copies copies = with(6);
        copies.erase(bad);
        CHECK(read(copies) == 6);
        FakeDisk unreadable(with(6));
        unreadable.broken = static_cast<int>(bad);
        CHECK(AttemptRecord(unreadable).attempts().failures == 6);
    }
}

TEST_CASE("one bad copy refuses nobody, and no power cut lets it win") {
    int judged = 0;
    for (const std::size_t bad : {0U, 1U})
        for (const Bad how :
             {Bad::in_place, Bad::full, Bad::removable, Bad::unreadable, Bad::stuck})
            for (int begin = 0; begin < 3; ++begin)
                for (int power = -1; power < 5; ++power) {
                    // Of a count, of one whose other copy is older, and of one that has no other.
                    FakeDisk before(with(2));
                    REQUIRE(AttemptRecord(before).write(of(3)));
                    Copies copies = before.copies();
                    if (begin == 1) copies[bad] = with(2).at(0);
                    if (begin == 2) copies.erase(bad);
                    CAPTURE(bad, static_cast<int>(how), begin, power);
                    FakeDisk disk(copies, power);
                    disk.spoil_writes_to(bad, how);
                    AttemptRecord record(disk);
                    const bool counted = record.write(of(4)).has_value();
                    judged += counted;
                    for (const Copies& after : disk.found()) {
                        FakeDisk next(after);
                        next.broken = disk.broken;
                        const AttemptRecord found(next);
                        const auto count = found.attempts().failures;
                        CHECK((count == 4 || (!counted && count == 3)));
                        if (!counted) continue;
                        // Then the good one is lost as well.
                        Copies lost = after;
                        lost[1 - bad] = "lost";
                        FakeDisk last(lost);
                        last.broken = disk.broken;
                        CHECK(AttemptRecord(last).attempts().failures >= 4);
                    }
                    if (power >= 0) continue;
                    // What is not newer is written first, and may be given up for anything but
                    // room.
                    const bool first = begin != 0 || bad == 1;
                    CHECK(counted == !(how == Bad::stuck || (how == Bad::full && first)));
                    CHECK(record.alone().empty() == (!counted || how == Bad::in_place));
                }
    CHECK(judged > 20);
}

TEST_CASE("a copy that cannot be read for a while is not the newer one afterwards") {
    Copies copies = with(6);
    Attempts many = of(6);
    many.writes = 1000;
    copies[0] = write_record(many);
    copies[1] = "x";
    FakeDisk disk(copies);
    disk.spoil_writes_to(0, Bad::unreadable);
    AttemptRecord record(disk);
    REQUIRE(record.damaged());
    REQUIRE(record.write(Attempts()));
    CHECK(read(disk.copies()) == 0);
}

TEST_CASE("with no copy to read it is the longest delay; with none there is no failure") {
    for (const Copies& copies : {Copies{{0, "x"}, {1, "y"}}, Copies{{0, "x"}}, Copies{{1, ""}}}) {
        FakeDisk disk(copies);
        const AttemptRecord record(disk);
        CHECK(record.damaged());
        CHECK(record.attempts().failures == Attempts::unreadable().failures);
    }
    CHECK(read({}) == 0);
}

TEST_CASE("the directory keeps both copies, in place, and is held by one") {
    const TemporaryDirectory dir;
    const std::string path = dir.path + "/attempts/secure";
    {
        auto directory = AttemptDirectory::lock(path);
        REQUIRE(directory);
        const auto other = AttemptDirectory::lock(path);
        REQUIRE_FALSE(other);
        CHECK(other.error().code == Code::busy);
        AttemptRecord record(*directory);
        REQUIRE(record.write(of(2)));
        struct stat first {
        }, second{};
        REQUIRE(::stat((path + "/a").c_str(), &first) == 0);
        REQUIRE(record.write(of(3)));
        REQUIRE(::stat((path + "/a").c_str(), &second) == 0);
        CHECK(first.st_ino == second.st_ino);
        CHECK((first.st_mode & 07777U) == 0600);
        CHECK(first.st_size == static_cast<off_t>(kRecordBytes));
    }
    CHECK(look_at_attempts(path).failures == 3);
    overwrite(path + "/a", "x");
    CHECK(look_at_attempts(path).failures == 3);
    CHECK(look_at_attempts(path).damaged);
    CHECK(look_at_attempts(path).wait == std::chrono::seconds(0));
    overwrite(path + "/b", "y");
    const auto standing = look_at_attempts(path);
    CHECK(standing.damaged);
    REQUIRE(standing.wait);
    CHECK(standing.wait->count() > 8LL * 365 * 86400);
    CHECK(fs::exists(path + "/a"));
    CHECK_FALSE(fs::exists(path + "/a.new"));
    CHECK(look_at_attempts(dir.path + "/none").wait == std::chrono::seconds(0));
}

TEST_CASE("a directory that others may write to is refused, and links are not followed") {
    const TemporaryDirectory dir;
    const std::string path = dir.path + "/attempts/secure";
    REQUIRE(AttemptDirectory::lock(path));
    REQUIRE(::chmod(path.c_str(), 0777) == 0);
    CHECK(AttemptDirectory::lock(path).error().code == Code::denied);
    REQUIRE(::chmod(path.c_str(), 0700) == 0);
    overwrite(dir.path + "/elsewhere", write_record(Attempts()));
    REQUIRE(::symlink((dir.path + "/elsewhere").c_str(), (path + "/a").c_str()) == 0);
    CHECK(look_at_attempts(path).damaged);
}

TEST_CASE("this boot's clock goes forward") {
    const auto first = boot_moment(), second = boot_moment();
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->boot_id.size() == 36);
    CHECK(first->boot_id == second->boot_id);
    CHECK(first->since_boot.count() > 0);
    CHECK(second->since_boot >= first->since_boot);
}
