// tests: the slots on a disk whose power can go between any two operations, and come back with
// any of what was not yet on the storage.
#include "runtime/bundle/slots.h"

#include <fmt/format.h>
#include <sodium.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <set>

using namespace pmos;
using namespace pmos::bundle;
using Catch::Matchers::Contains;

namespace {

using Files = std::map<std::string, std::string>;

// What is on the storage, and what of the names is not yet. Ends at the operation `power`.
class FakeDisk : public Disk {
  public:
    explicit FakeDisk(Files files = {}, int power = -1) : power_(power) {
        files_ = std::move(files);
        durable_ = {files_};
    }

    Result<std::string> read(const std::string& name, std::size_t) override {
        const auto it = files_.find(name);
        if (it == files_.end()) return fail(Code::not_found, name);
        return it->second;
    }
    // First any part of it may be there, under a name that may be; then all of it.
    Result<> write(const std::string& name, std::string_view bytes) override {
        Files torn = files_;
        torn[name] = std::string(bytes.substr(0, bytes.size() / 2));
        PMOS_TRY(may_become(torn));
        torn[name] = "";
        PMOS_TRY(may_become(torn));
        torn[name] = bytes;
        return may_become(torn);
    }
    Result<> rename(const std::string& from, const std::string& to) override {
        Files moved = files_;
        moved[to] = moved.at(from);
        moved.erase(from);
        return may_become(moved);
    }
    Result<> sync() override {
        if (power_-- == 0) return off();
        durable_ = {files_};
        return {};
    }
    // Each state that a phone may find after the power came back.
    const std::vector<Files>& found() const { return durable_; }
    const Files& files() const { return files_; }
    bool is_off() const { return off_; }

  private:
    Result<> off() {
        off_ = true;
        return fail(Code::cancelled, "the power is off");
    }
    // Until a sync any state since the last one may be what is found.
    Result<> may_become(const Files& files) {
        if (off_ || power_-- == 0) return off();
        files_ = files;
        durable_.push_back(files);
        return {};
    }
    Files files_;
    std::vector<Files> durable_;
    int power_;
    bool off_ = false;
};

class FakeKeeper : public FloorKeeper {
  public:
    Result<std::uint64_t> read() override { return version; }
    Result<> raise(std::uint64_t to) override {
        version = std::max(version, to);
        return {};
    }
    std::uint64_t version = 0;
};

struct World {
    World() {
        std::array<unsigned char, 32> seed{}, key{};
        seed.fill(9);
        crypto_sign_ed25519_seed_keypair(key.data(), secret.data(), seed.data());
        policy::PublicKey trusted;
        std::memcpy(trusted.bytes.data(), key.data(), key.size());
        phone.trusted = {trusted};
        phone.model = "x1";
        phone.check_pins = [this](const policy::Bundle& b) -> Result<std::vector<VerifiedPin>> {
            if (bad_images.contains(b.version)) return fail(Code::failed, "another image");
            return std::vector<VerifiedPin>();
        };
    }
    std::string bundle(std::uint64_t version, const std::string& made_for = "any",
                       const std::string& text = "{}") const {
        policy::Bundle b;
        b.name = "acme";
        b.version = version;
        b.made_for = made_for;
        b.files = {{"a.json", text}};
        auto bytes = policy::write_bundle(b).value();
        const auto sealed = policy::split_bundle("b", bytes).value();
        policy::Signature signature{};
        crypto_sign_ed25519_detached(
            reinterpret_cast<unsigned char*>(signature.data()), nullptr,
            reinterpret_cast<const unsigned char*>(sealed.statement.data()),
            sealed.statement.size(), secret.data());
        return policy::attach_signature(std::move(bytes), policy::key_id(phone.trusted[0]),
                                        signature);
    }
    Slots on(Disk& disk) const { return {disk, phone}; }
    // A disk with version 1 confirmed.
    Files with_one() const {
        FakeDisk disk;
        REQUIRE(on(disk).install(bundle(1)));
        REQUIRE(on(disk).confirm());
        return disk.files();
    }
    Phone phone;
    std::set<std::uint64_t> bad_images;
    std::array<unsigned char, 64> secret{};
};

std::string state(const Result<Report>& r) {
    if (!r) return "error: " + r.error().message();
    if (!r->usable()) return "none";
    return fmt::format("{}{}", r->version, r->trial ? " on trial" : "");
}

}  // namespace

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
    CHECK_THAT(world.on(old).current()->why, Contains("versions only rise"));
    // The same version again repairs it.
    CHECK(state(world.on(old).install(world.bundle(2))) == "2 on trial");
    CHECK(state(world.on(old).confirm()) == "2");
}

TEST_CASE("a keeper outlives a storage that was set back") {
    World world;
    FakeKeeper keeper;
    world.phone.keeper = &keeper;
    FakeDisk disk(world.with_one());
    CHECK(keeper.version == 1);
    const auto old = disk.files();
    REQUIRE(world.on(disk).install(world.bundle(2)));
    CHECK(keeper.version == 1);
    REQUIRE(world.on(disk).confirm());
    CHECK(keeper.version == 2);
    FakeDisk set_back(old);
    CHECK(state(world.on(set_back).current()) == "none");
    FakeDisk empty;
    CHECK_THAT(state(world.on(empty).install(world.bundle(1))), Contains("versions only rise"));
    CHECK(state(world.on(empty).install(world.bundle(2))) == "2 on trial");
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
                         {"1", "2 on trial", "3 on trial"}) > 30);
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
