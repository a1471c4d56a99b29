// tests: the floor in a ledger and a keeper: what counts when they differ, when one is silent, and
// when power goes between the two.
#include "runtime/bundle/floor.h"

#include "world.h"

using namespace pmos;
using namespace pmos::bundle;
using namespace pmos::bundle::test;
using Catch::Matchers::Contains;

TEST_CASE("a keeper outlives a storage that was set back") {
    World world;
    FakeKeeper keeper;
    world.keep_in(keeper);
    FakeDisk disk(world.with_one());
    CHECK(keeper.tpm.version == 1);
    CHECK(world.on(disk).current()->floor_kept == "file and TPM");
    const auto old = disk.files();
    REQUIRE(world.on(disk).install(world.bundle(2)));
    CHECK(keeper.tpm.version == 1);
    REQUIRE(world.on(disk).confirm());
    CHECK(keeper.tpm.version == 2);
    FakeDisk set_back(old);
    CHECK(state(world.on(set_back).current()) == "none");
    CHECK_THAT(world.on(set_back).current()->why, Contains("has used version 2"));
    FakeDisk empty;
    CHECK_THAT(state(world.on(empty).install(world.bundle(1))), Contains("versions only rise"));
    CHECK(state(world.on(empty).install(world.bundle(2))) == "2 on trial");
}

TEST_CASE("a keeper that the ledger knows of must answer") {
    World world;
    FakeKeeper keeper;
    world.keep_in(keeper);
    const auto one = world.with_one();
    FakeDisk disk(one);
    const auto refused = [&] {
        for (const auto& seen : {state(world.on(disk).start()), state(world.on(disk).confirm()),
                                 state(world.on(disk).install(world.bundle(2)))})
            CHECK_THAT(seen, Contains("error: the version floor of policies is not known"));
        CHECK(disk.files() == one);
        return world.on(disk).current().error().why;
    };
    const auto kept = keeper;
    keeper.there = false;
    CHECK_THAT(refused(), Contains("no TPM"));
    keeper = kept;
    keeper.reads = false;
    CHECK_THAT(refused(), Contains("does not answer"));
    keeper = kept;
    keeper.tpm = {};
    CHECK_THAT(refused(), Contains("the TPM has lost it"));
    keeper.tpm = {true, std::nullopt};
    CHECK_THAT(refused(), Contains("the TPM has lost it"));
    // Whoever runs pmosd decides to do without.
    world.phone.floor_in = FloorIn::file;
    CHECK(state(world.on(disk).current()) == "1");
    world.phone.floor_in = FloorIn::tpm_if_there;
    keeper = kept;
    CHECK(state(world.on(disk).current()) == "1");
}

TEST_CASE("a phone without a TPM, or with one that does not work, has the floor in the file") {
    World world;
    FakeKeeper keeper;
    world.keep_in(keeper);
    keeper.there = false;
    FakeDisk disk(world.with_one());
    CHECK(world.on(disk).current()->floor_kept == "file");
    CHECK(world.on(disk).current()->floor_fault.empty());
    keeper.there = true;
    keeper.reads = false;
    CHECK(state(world.on(disk).current()) == "1");
    CHECK(world.on(disk).current()->floor_kept == "file");
    CHECK(world.on(disk).current()->floor_fault == "the TPM does not answer");
    keeper.reads = true;
    keeper.writes = false;
    CHECK(world.on(disk).current()->floor_fault == "the TPM refuses");
    // It comes to work: the floor goes there by itself.
    keeper.writes = true;
    CHECK(world.on(disk).current()->floor_kept == "file and TPM");
    CHECK(keeper.tpm.version == 1);

    for (const auto broken : {&FakeKeeper::there, &FakeKeeper::reads, &FakeKeeper::writes}) {
        FakeKeeper other;
        other.*broken = false;
        world.keep_in(other, FloorIn::tpm);
        FakeDisk fresh;
        CHECK_THAT(state(world.on(fresh).install(world.bundle(1))), Contains("is not known"));
        CHECK_FALSE(fresh.files().contains("a.bundle"));
    }
}

TEST_CASE("a keeper that refuses a confirmed version has it at the next start") {
    World world;
    FakeKeeper keeper;
    world.keep_in(keeper);
    FakeDisk disk(world.with_one());
    REQUIRE(world.on(disk).install(world.bundle(2)));
    keeper.writes = false;
    const auto confirmed = world.on(disk).confirm();
    CHECK(state(confirmed) == "2");
    CHECK(confirmed->floor == 2);
    CHECK(confirmed->floor_kept == "file");
    CHECK(confirmed->floor_fault == "the TPM refuses");
    keeper.writes = true;
    CHECK(world.on(disk).start()->floor_kept == "file and TPM");
    CHECK(keeper.tpm.version == 2);
}

TEST_CASE("an invented ledger does not raise a keeper") {
    World world;
    FakeKeeper keeper;
    world.keep_in(keeper);
    auto files = world.with_one();
    auto ledger = read_ledger(files["slots"]).value();
    ledger.floor = 1000;
    ledger.in_keeper = false;
    files["slots"] = write_ledger(ledger);
    FakeDisk disk(files);
    CHECK(state(world.on(disk).start()) == "none");
    CHECK(keeper.tpm.version == 1);
    // Nor does one that says nothing of it make a keeper's word void.
    REQUIRE(keeper.raise(3));
    ledger.floor = 1;
    files["slots"] = write_ledger(ledger);
    FakeDisk other(files);
    CHECK(state(world.on(other).start()) == "none");
}

// As above, with a keeper that power cuts off, too: what is found fits what the keeper then has.
template <class Verb>
int cut_with_keeper(const Files& before, const FakeTpm& tpm, std::uint64_t floor, Verb verb,
                    const std::set<std::string>& allowed) {
    World world;
    int states = 0;
    for (int power = 0;; ++power) {
        FakeKeeper keeper(tpm);
        FakeDisk disk(before, power);
        keeper.power = &disk;
        world.keep_in(keeper);
        static_cast<void>(verb(world, disk));
        for (const auto& files : disk.found()) {
            FakeKeeper later(keeper.tpm);
            world.keep_in(later);
            FakeDisk found(files);
            const auto seen = world.on(found).current();
            INFO("power off at operation " << power);
            CHECK(allowed.contains(state(seen)));
            REQUIRE(seen);
            CHECK(seen->floor >= floor);
            CHECK(seen->floor_kept == "file and TPM");
            // The keeper has what was confirmed, and never what was not.
            CHECK(later.tpm.version == seen->floor);
            // There is a way back while it is on trial.
            if (seen->trial && floor > 0) CHECK(state(world.on(found).reject("no")) == "1");
            FakeDisk again(files);
            FakeKeeper third(keeper.tpm);
            world.keep_in(third);
            const auto retried = verb(world, again);
            CHECK((retried || retried.error().code == Code::already_exists ||
                   retried.error().code == Code::usage));
            ++states;
        }
        if (!disk.is_off()) return states;
    }
}

TEST_CASE(
    "power that goes between the ledger and its keeper lowers no floor and locks nobody out") {
    World world;
    const auto in_file = world.with_one();
    const auto install = [](std::uint64_t version) {
        return [version](const World& w, Disk& d) { return w.on(d).install(w.bundle(version)); };
    };
    const auto confirm = [](const World& w, Disk& d) { return w.on(d).confirm(); };
    const auto start = [](const World& w, Disk& d) { return w.on(d).start(); };
    CHECK(cut_with_keeper({}, {}, 0, install(1), {"none", "1 on trial"}) > 30);
    // A phone that has learnt of its TPM by an update.
    CHECK(cut_with_keeper(in_file, {}, 1, start, {"1"}) > 6);
    CHECK(cut_with_keeper(in_file, {true, {}}, 1, start, {"1"}) > 6);
    FakeKeeper keeper;
    world.keep_in(keeper);
    FakeDisk disk(in_file);
    REQUIRE(world.on(disk).install(world.bundle(2)));
    CHECK(keeper.tpm.version == 1);
    CHECK(cut_with_keeper(disk.files(), keeper.tpm, 1, confirm, {"2 on trial", "2"}) > 10);
    CHECK(cut_with_keeper(disk.files(), keeper.tpm, 1, start, {"2 on trial", "1"}) > 5);
    CHECK(cut_with_keeper(disk.files(), keeper.tpm, 1, install(3),
                          {"1", "2 on trial", "3 on trial"}) > 20);
    // Cut between the two: the next start brings the keeper up.
    REQUIRE(world.on(disk).confirm());
    CHECK(cut_with_keeper(disk.files(), {true, 1}, 2, start, {"2"}) > 2);
}
