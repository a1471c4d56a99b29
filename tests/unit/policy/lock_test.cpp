// tests: what a profile says of its locks.
#include <algorithm>
#include <catch2/catch.hpp>

#include "policy/profile.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

std::shared_ptr<const Profile> with(const std::string& extra) {
    const auto mode = read_one(profile_text("alpha", 200000, extra));
    INFO(texts(mode.diagnostics));
    REQUIRE(mode.profile != nullptr);
    return mode.profile;
}

std::string volume_with(const std::string& volume, const std::string& session) {
    return R"(, "volumes": [{"name": "d", "target": "/d", "size": "64MiB", "unlock": ["pin"])" +
           volume + R"(}], "session": {)" + session + "}";
}

}  // namespace

TEST_CASE("lock: what a profile says of it reaches the plan") {
    const auto profile =
        with(volume_with(R"(, "onLock": "suspend")",
                         R"("onLock": "suspend", "lockAfter": "5min", "evictAfter": "1h",)"
                         R"( "eraseAfterFailures": 12, "lockAt": ["sleep", "background"])"));
    const auto compiled = compile(*profile, fixed_facts());
    REQUIRE(compiled.plan.has_value());
    for (const auto& plan : {*compiled.plan, decode(encode(*compiled.plan)).value()}) {
        CHECK(plan.session.on_lock == OnLock::suspend);
        CHECK(plan.session.lock_after_ms == 300'000);
        CHECK(plan.session.evict_after_ms == 3'600'000);
        CHECK(plan.session.erase_after_failures == 12);
        CHECK(plan.session.locks_at(LockAt::sleep));
        CHECK(plan.session.locks_at(LockAt::background));
        CHECK_FALSE(plan.session.locks_at(LockAt::screen_lock));
    }
    const auto silent = compile(*with(""), fixed_facts());
    CHECK(silent.plan->session.lock_after_ms == 0);
    CHECK(silent.plan->session.evict_after_ms == 18 * 3'600'000);
    CHECK(silent.plan->session.lock_at.empty());
    CHECK(silent.plan->session.erase_after_failures == 0);
    const auto core =
        std::ranges::find(silent.plan->process.rlimits, std::uint32_t{4}, &Rlimit::resource);
    REQUIRE(core != silent.plan->process.rlimits.end());
    CHECK(core->soft == 1);
    CHECK(core->hard == 1);
}

TEST_CASE("lock: the strengths of a mode and of its volumes agree, and there is one to suspend") {
    const auto faults = [](const std::string& extra) {
        std::vector<std::string> found;
        for (const auto& d : compile(*with(extra), fixed_facts()).diagnostics)
            if (d.rule == Rule::contradiction) found.push_back(d.at.pointer);
        return found;
    };
    using Faults = std::vector<std::string>;
    CHECK(faults(volume_with("", "")).empty());
    CHECK(faults(volume_with("", R"("onLock": "suspend")")) == Faults{"/volumes/0"});
    CHECK(faults(volume_with(R"(, "onLock": "suspend")", "")) == Faults{"/volumes/0/onLock"});
    CHECK(faults(R"(, "session": {"onLock": "suspend"})") == Faults{"/session/onLock"});
    CHECK(faults(R"(, "session": {"onLock": "freeze"})") == Faults{"/session/onLock"});
    CHECK(faults(volume_with(R"(, "onLock": "suspend")", R"("onLock": "freeze")")) ==
          Faults{"/volumes/0/onLock"});
    CHECK(faults(volume_with(R"(, "onLock": "freeze")", R"("onLock": "freeze")")).empty());
}

TEST_CASE("lock: a fingerprint is enough for a mode that freezes, for a time") {
    const std::string finger = R"("unlockRecent": {"methods": ["fingerprint"], "within": "4h"})";
    const auto plan =
        compile(*with(volume_with(R"(, "onLock": "freeze")", R"("onLock": "freeze", )" + finger)),
                fixed_facts())
            .plan;
    REQUIRE(plan);
    CHECK(plan->session.fingerprint_within_ms == 4 * 3'600'000);
    CHECK(decode(encode(*plan)).value().session.fingerprint_within_ms == 4 * 3'600'000);
    const auto faults = [](const std::string& extra) {
        std::vector<std::string> found;
        const auto mode = read_one(profile_text("alpha", 200000, extra));
        for (const auto& d : mode.diagnostics)
            if (d.severity == Severity::error) found.push_back(d.at.pointer);
        if (mode.profile)
            for (const auto& d : compile(*mode.profile, fixed_facts()).diagnostics)
                if (d.severity == Severity::error) found.push_back(d.at.pointer);
        return found;
    };
    using Faults = std::vector<std::string>;
    const auto freezing = [](const std::string& session) {
        return volume_with(R"(, "onLock": "freeze")", R"("onLock": "freeze", )" + session);
    };
    const auto with_time = [&](const std::string& within) {
        return faults(freezing(R"("unlockRecent": {"methods": ["fingerprint"], "within": ")" +
                               within + "\"}"));
    };
    CHECK(faults(freezing(finger)).empty());
    CHECK(with_time("72h").empty());
    CHECK(with_time("73h") == Faults{"/session/unlockRecent/within"});
    CHECK(with_time("0s") == Faults{"/session/unlockRecent/within"});
    CHECK(with_time("soon") == Faults{"/session/unlockRecent/within"});
    CHECK(faults(volume_with("", finger)) == Faults{"/session/unlockRecent"});
    CHECK(faults(volume_with(R"(, "onLock": "suspend")", R"("onLock": "suspend", )" + finger)) ==
          Faults{"/session/unlockRecent"});
    CHECK(faults(freezing(R"("unlockRecent": {"methods": ["face"], "within": "4h"})")) ==
          Faults{"/session/unlockRecent/methods/0"});
    CHECK(faults(freezing(R"("unlockRecent": {"methods": [], "within": "4h"})")) ==
          Faults{"/session/unlockRecent/methods"});
    CHECK(faults(freezing(R"("unlockRecent": {"methods": ["fingerprint"]})")) ==
          Faults{"/session/unlockRecent"});
    CHECK(faults(R"(, "volumes": [{"name": "d", "target": "/d", "size": "64MiB",)"
                 R"( "unlock": ["device-key"], "onLock": "freeze"}], "session":)"
                 R"( {"onLock": "freeze", )" +
                 finger + "}") == Faults{"/session/unlockRecent"});
}

TEST_CASE("lock: one that leaves the keys in memory is warned of, where it is written") {
    const auto told = [](const std::string& strength) {
        std::vector<std::string> found;
        const auto mode = read_one(profile_text(
            "alpha", 200000,
            volume_with(R"(, "onLock": ")" + strength + '"', R"("onLock": ")" + strength + '"')));
        for (const auto& d : mode.diagnostics)
            if (d.rule == Rule::keys_stay) found.push_back(d.at.pointer);
        return found;
    };
    CHECK(told("freeze") == std::vector<std::string>{"/session/onLock"});
    CHECK(told("suspend").empty());
    CHECK(told("evict").empty());
}
