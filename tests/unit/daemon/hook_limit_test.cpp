// tests: how long a hook may take.
#include <catch2/catch.hpp>

#include "runtime/daemon/hook_runner.h"

using namespace pmos;
using namespace pmos::daemon;
using namespace std::chrono_literals;

TEST_CASE("a hook has the time its profile says") {
    policy::Hook hook;
    hook.timeout_ms = 2500;
    for (const auto point : {policy::HookPoint::pre_start, policy::HookPoint::switch_in}) {
        hook.point = point;
        CHECK(hook_limit(hook, 0) == 2500ms);
        CHECK(hook_limit(hook, 64ULL << 30) == 2500ms);
    }
}

TEST_CASE("a check of volumes has time that grows with them") {
    policy::Hook hook;
    hook.point = policy::HookPoint::volume_check;
    CHECK(hook_limit(hook, 0) == 40s);
    CHECK(hook_limit(hook, 512ULL << 20) == 48s);
    CHECK(hook_limit(hook, 64ULL << 30) == 40s + 1024s);
}
