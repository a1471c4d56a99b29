// tests: the slots on a disk whose power can go between any two operations, and come back with
// any of what was not yet on the storage.
#include "world.h"

using namespace pmos;
using namespace pmos::bundle;
using namespace pmos::bundle::test;
using Catch::Matchers::Contains;

TEST_CASE("a bundle is on trial until it is confirmed, and then it is the floor") {
    const World world;
    FakeDisk disk;
    CHECK(state(world.on(disk).current()) == "none");
    CHECK(state(world.on(disk).install(world.bundle(5))) == "5 on trial");
    CHECK(world.on(disk).current()->floor == 0);
    CHECK(state(world.on(disk).confirm()) == "5");
    CHECK(world.on(disk).current()->floor == 5);
    CHECK_FALSE(world.on(disk).confirm());
    CHECK_THAT(state(world.on(disk).install(world.bundle(4))), Contains("versions only rise"));
    CHECK_THAT(state(world.on(disk).install(world.bundle(5))), Contains("is installed"));
    CHECK_THAT(state(world.on(disk).install(world.bundle(5, "any", "{ }"))), Contains("not newer"));
    CHECK(state(world.on(disk).install(world.bundle(6))) == "6 on trial");
    CHECK(state(world.on(disk).reject("a hair in it")) == "5");
    CHECK(world.on(disk).current()->fallen == "a hair in it");
    CHECK(state(world.on(disk).install(world.bundle(6))) == "6 on trial");
    CHECK(world.on(disk).current()->fallen.empty());
}

TEST_CASE("a trial that does not come up in three starts is given up") {
    const World world;
    FakeDisk disk(world.with_one());
    REQUIRE(world.on(disk).install(world.bundle(2)));
    for (int i = 0; i < 3; ++i) CHECK(state(world.on(disk).start()) == "2 on trial");
    const auto after = world.on(disk).start();
    CHECK(state(after) == "1");
    CHECK_THAT(after->fallen, Contains("acme@2 did not come up in 3 starts"));
    // The same one may be tried again: somebody asked for it.
    CHECK(state(world.on(disk).install(world.bundle(2))) == "2 on trial");
}

TEST_CASE("a pmosd that ends in order has not failed") {
    const World world;
    FakeDisk disk(world.with_one());
    REQUIRE(world.on(disk).install(world.bundle(2)));
    for (int i = 0; i < 9; ++i) {
        CHECK(state(world.on(disk).start()) == "2 on trial");
        REQUIRE(world.on(disk).ended());
    }
}

TEST_CASE("images that do not match make a trial fall, and a confirmed policy unusable") {
    World world;
    FakeDisk disk(world.with_one());
    REQUIRE(world.on(disk).install(world.bundle(2)));
    world.bad_images = {2};
    CHECK(state(world.on(disk).start()) == "1");
    CHECK_THAT(state(world.on(disk).install(world.bundle(2))), Contains("another image"));
    world.bad_images = {1};
    CHECK(state(world.on(disk).current()) == "none");
    CHECK_THAT(world.on(disk).current()->why, Contains("another image"));
}

TEST_CASE("a bundle for another phone is refused") {
    World world;
    FakeDisk disk;
    CHECK_THAT(state(world.on(disk).install(world.bundle(1, "x2"))), Contains("this is 'x1'"));
    CHECK(state(world.on(disk).install(world.bundle(1, "x1"))) == "1 on trial");
    world.phone.model = "";
    CHECK(state(world.on(disk).current()) == "none");
}

TEST_CASE("storage that was tampered with is not used") {
    const World world;
    for (const char* file : {"a.bundle", "slots"}) {
        auto files = world.with_one();
        REQUIRE(files.contains(file));
        files[file][files[file].size() / 2] ^= 1;
        FakeDisk disk(files);
        const auto report = world.on(disk).current();
        CHECK((!report || !report->usable()));
    }
    // An old one of our own, put back in the slot's place.
    FakeDisk disk(world.with_one());
    REQUIRE(world.on(disk).install(world.bundle(2)));
    REQUIRE(world.on(disk).confirm());
    auto files = disk.files();
    files["b.bundle"] = files["a.bundle"];
    FakeDisk old(files);
    CHECK_THAT(world.on(old).current()->why, Contains("not what was installed there"));
    // The same version again repairs it.
    CHECK(state(world.on(old).install(world.bundle(2))) == "2 on trial");
    CHECK(state(world.on(old).confirm()) == "2");
}

TEST_CASE("a trial whose starts cannot be counted is not tried, and the good one is used") {
    const World world;
    FakeDisk disk(world.with_one());
    REQUIRE(world.on(disk).install(world.bundle(2)));
    disk.full = true;
    const auto report = world.on(disk).start();
    CHECK(state(report) == "1");
    CHECK_THAT(report->fallen, Contains("cannot be counted") && Contains("no space left"));
    CHECK_THAT(report->unsaved, Contains("no space left"));
    // Nor by a reload of the pmosd that uses the good one.
    CHECK(state(world.on(disk).current(report->sha256)) == "1");
    // It waits for room, and is counted then.
    disk.full = false;
    const auto tried = world.on(disk).current(report->sha256);
    CHECK(state(tried) == "2 on trial");
    CHECK(tried->tries == 1);
    CHECK(world.on(disk).current(tried->sha256)->tries == 1);
    FakeDisk alone;
    REQUIRE(world.on(alone).install(world.bundle(2)));
    alone.full = true;
    CHECK(state(world.on(alone).start()) == "none");
}

TEST_CASE("a trial is given up also where that cannot be written down") {
    World world;
    FakeDisk disk(world.with_one());
    REQUIRE(world.on(disk).install(world.bundle(2)));
    disk.full = true;
    const auto rejected = world.on(disk).reject("a hair in it");
    CHECK(state(rejected) == "1");
    CHECK(rejected->fallen == "a hair in it");
    CHECK_THAT(rejected->unsaved, Contains("no space left"));
    world.bad_images = {2};
    CHECK(state(world.on(disk).current()) == "1");
    CHECK_FALSE(world.on(disk).install(world.bundle(3)));
    CHECK_FALSE(world.on(disk).confirm());
    disk.full = false;
    const auto kept = world.on(disk).reject("a hair in it");
    CHECK(kept->unsaved.empty());
    CHECK(state(world.on(disk).current()) == "1");
}

TEST_CASE("what is staged displaces nothing") {
    const World world;
    FakeDisk disk;
    // Without a good one, and with one.
    for (const std::uint64_t version : {1U, 5U}) {
        REQUIRE(world.on(disk).install(world.bundle(version)));
        const auto trial = world.on(disk).current();
        const auto staged = world.on(disk).stage(world.bundle(version + 1));
        CHECK(state(staged) == fmt::format("{} on trial", version + 1));
        CHECK(staged->file != trial->file);
        CHECK(world.on(disk).current()->sha256 == trial->sha256);
        disk.full = true;
        CHECK_FALSE(world.on(disk).stage(world.bundle(version + 2)));
        CHECK_FALSE(world.on(disk).install(world.bundle(version + 2)));
        CHECK_FALSE(world.on(disk).go_over(staged->sha256));
        disk.full = false;
        CHECK(world.on(disk).current()->sha256 == trial->sha256);
        CHECK_FALSE(world.on(disk).go_over(trial->sha256));
        const auto gone = world.on(disk).go_over(staged->sha256);
        CHECK(state(gone) == fmt::format("{} on trial", version + 1));
        CHECK(gone->tries == 1);
        REQUIRE(world.on(disk).confirm());
    }
}

TEST_CASE("only the trial that is meant is confirmed or rejected") {
    const World world;
    FakeDisk disk(world.with_one());
    const auto two = world.on(disk).install(world.bundle(2))->sha256;
    REQUIRE(world.on(disk).install(world.bundle(3)));
    CHECK_THAT(state(world.on(disk).confirm(two)), Contains("does not wait"));
    CHECK_THAT(state(world.on(disk).reject("no", two)), Contains("does not wait"));
    CHECK(state(world.on(disk).current()) == "3 on trial");
    CHECK(state(world.on(disk).confirm(hash(world.bundle(3)))) == "3");
}

TEST_CASE("a ledger that was set back does not take the floor along") {
    const World world;
    FakeDisk disk(world.with_one());
    const std::string old = disk.files().at("slots");
    for (const std::uint64_t version : {2U, 3U}) {
        REQUIRE(world.on(disk).install(world.bundle(version)));
        REQUIRE(world.on(disk).confirm());
    }
    // Version 3 lies where the old ledger has version 1.
    Files files = disk.files();
    files["slots"] = old;
    REQUIRE(files["a.bundle"] == world.bundle(3));
    FakeDisk back(files);
    const auto report = world.on(back).current();
    CHECK(state(report) == "none");
    CHECK(report->floor == 3);
    CHECK_THAT(state(world.on(back).install(world.bundle(2))), Contains("versions only rise"));
    CHECK(state(world.on(back).install(world.bundle(3))) == "3 on trial");
}

// Cuts the power at every operation of the verb and looks at every state that a phone could then
// find: it must be one of the two, and the verb must work when it is tried again.
template <class Verb>
int cut_everywhere(const World& world, const Files& before, Verb verb,
                   const std::set<std::string>& allowed) {
    int states = 0;
    for (int power = 0;; ++power) {
        FakeDisk disk(before, power);
        static_cast<void>(verb(disk));
        for (const auto& files : disk.found()) {
            FakeDisk found(files);
            const auto seen = state(world.on(found).current());
            INFO("power off at operation " << power);
            CHECK(allowed.contains(seen));
            FakeDisk again(files);
            const auto retried = verb(again);
            CHECK((retried || retried.error().code == Code::already_exists ||
                   retried.error().code == Code::usage));
            ++states;
        }
        if (!disk.is_off()) return states;
    }
}

TEST_CASE("power that goes at any moment leaves the old policy or the new one") {
    const World world;
    const auto one = world.with_one();
    CHECK(cut_everywhere(world, {}, [&](Disk& d) { return world.on(d).install(world.bundle(1)); },
                         {"none", "1 on trial"}) > 20);
    CHECK(cut_everywhere(world, one, [&](Disk& d) { return world.on(d).install(world.bundle(2)); },
                         {"1", "2 on trial"}) > 20);
    FakeDisk tried(one);
    REQUIRE(world.on(tried).install(world.bundle(2)));
    CHECK(cut_everywhere(world, tried.files(),
                         [&](Disk& d) { return world.on(d).install(world.bundle(3)); },
                         {"2 on trial", "3 on trial"}) > 20);
    FakeDisk staged(tried.files());
    REQUIRE(world.on(staged).stage(world.bundle(3)));
    const auto three = hash(world.bundle(3));
    CHECK(cut_everywhere(world, tried.files(),
                         [&](Disk& d) { return world.on(d).stage(world.bundle(3)); },
                         {"2 on trial"}) > 10);
    CHECK(cut_everywhere(world, staged.files(),
                         [&](Disk& d) -> Result<Report> {
                             auto gone = world.on(d).go_over(three);
                             // Done before the power went, and not to be done twice.
                             if (!gone && state(world.on(d).current()) == "3 on trial")
                                 return world.on(d).current();
                             return gone;
                         },
                         {"2 on trial", "3 on trial"}) > 10);
    CHECK(cut_everywhere(world, tried.files(), [&](Disk& d) { return world.on(d).confirm(); },
                         {"2 on trial", "2"}) > 10);
    CHECK(cut_everywhere(world, tried.files(), [&](Disk& d) { return world.on(d).reject("no"); },
                         {"2 on trial", "1"}) > 10);
    CHECK(cut_everywhere(world, tried.files(), [&](Disk& d) { return world.on(d).start(); },
                         {"2 on trial", "1"}) > 10);
}

TEST_CASE("the cut can fail: without the rename a torn ledger would be found") {
    const World world;
    class Careless : public FakeDisk {
      public:
        using FakeDisk::FakeDisk;
        Result<> write(const std::string& name, std::string_view bytes) override {
            return FakeDisk::write(name.substr(0, name.find(".new")), bytes);
        }
        Result<> rename(const std::string&, const std::string&) override { return {}; }
    };
    bool torn = false;
    Careless disk(world.with_one());
    REQUIRE(world.on(disk).install(world.bundle(2)));
    for (int power = 0; power < 12; ++power) {
        Careless cut(disk.files(), power);
        static_cast<void>(world.on(cut).confirm());
        for (const auto& files : cut.found()) {
            FakeDisk found(files);
            torn = torn || !world.on(found).current();
        }
    }
    CHECK(torn);
}
