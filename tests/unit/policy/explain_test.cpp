// tests: why a system call is refused, down to the line.
#include "policy/explain.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

Explanation refused(const Profile& profile, std::string_view name) {
    const Arch& arch = *find_arch("x86_64");
    return explain_refused_syscall(profile, arch, *syscall_number(arch, name));
}

}  // namespace

TEST_CASE("a refused system call is traced to its line") {
    const auto set = shipped_policy();
    const auto& secure = *find_mode(set, "secure").profile;
    const auto ptrace = refused(secure, "ptrace");
    CHECK(ptrace.rule == "seccomp-not-allowed");
    CHECK(ptrace.at.pointer == "/seccomp/allow");
    CHECK(ptrace.at.line > 0);
    CHECK(ptrace.at.file.ends_with(".json"));
    CHECK(ptrace.fix.find("\"ptrace\"") != std::string::npos);

    CHECK(refused(secure, "clone3").rule == "seccomp-guard");
    CHECK(refused(secure, "socket").rule == "seccomp-guard");
    // Allowed without condition: the mode must have been started with something else.
    CHECK(refused(secure, "read").rule == "seccomp-changed");
    CHECK(explain_refused_syscall(secure, *find_arch("x86_64"), 9999).rule == "seccomp-unknown");
    CHECK(explain_foreign_syscall(secure, 0x40000003, 1).rule == "seccomp-foreign");
}

TEST_CASE("a rule of the profile comes before the guards and the list") {
    Profile profile;
    profile.seccomp_allow = {"@system-service", "ptrace"};
    profile.seccomp_rules = {{{"ptrace"}, {}, verdict_allow()},
                             {{"ptrace", "socket"}, {}, verdict_errno(1)}};
    CHECK(refused(profile, "ptrace").rule == "seccomp-rule");
    CHECK(refused(profile, "socket").rule == "seccomp-rule");
}

TEST_CASE("a refused system call with its arguments is traced to the rule that looked at them") {
    const Arch& arch = *find_arch("x86_64");
    Profile profile;
    profile.seccomp_allow = {"@system-service"};
    profile.seccomp_rules = {
        {{"kill"}, {{1, Compare::eq, 9, 0}}, verdict_errno(1)},
        {{"kill"}, {{1, Compare::eq, 15, 0}}, verdict_errno(1)},
    };
    const auto call = [&](std::string_view name, std::initializer_list<std::uint64_t> args) {
        SyscallData data;
        data.nr = *syscall_number(arch, name);
        std::copy(args.begin(), args.end(), data.args);
        return explain_refused_syscall(profile, arch, data);
    };
    const auto kill = call("kill", {1, 15});
    CHECK(kill.rule == "seccomp-rule");
    CHECK(kill.what == "kill(_, 0xf)");
    const auto socket = call("socket", {17, 3, 0});
    CHECK(socket.rule == "seccomp-guard");
    CHECK(socket.what == "socket(0x11, _, 0x0)");
    CHECK(socket.key.empty());
    const auto ptrace = call("ptrace", {0, 7});
    CHECK(ptrace.what == "ptrace");
    CHECK(ptrace.key == "seccomp/allow");
    CHECK(ptrace.value == "ptrace");
}

TEST_CASE("a limit that was met is traced to its line") {
    const auto set = shipped_policy();
    const auto& secure = *find_mode(set, "secure").profile;
    const auto pids = explain_limit(secure, LimitEvent::pids_max);
    CHECK(pids.rule == "limit-pids-max");
    CHECK(pids.what.starts_with("pids.max "));
    CHECK(pids.at.pointer == "/resources/pids/max");
    CHECK(pids.at.line > 0);
    CHECK(pids.fix == "raise resources/pids/max");
    const auto memory = explain_limit(secure, LimitEvent::memory_kill);
    CHECK(memory.at.pointer == "/resources/memory/max");
    CHECK(std::string(limit_verdict(LimitEvent::memory_kill)) == "killed");
    // Not the profile's doing: no change of it is offered.
    const auto phone = explain_limit(secure, LimitEvent::phone_memory_kill);
    CHECK(phone.rule == "memory-elsewhere");
    CHECK(phone.fix.empty());
    // What no line sets is told at the nearest one above.
    const auto swap = explain_limit(Profile{}, LimitEvent::swap_max);
    CHECK(swap.what == "memory.swap.max");
    CHECK(swap.fix.empty());
}

TEST_CASE("a connection that was refused is traced to the line, or to the list") {
    const auto mode = read_one(network_text("m", 100000, R"({"direct": true, "egress": {
        "allow": ["tcp to 192.0.2.0/24"],
        "deny": ["192.0.2.7"]}})"));
    REQUIRE(mode.profile != nullptr);
    const auto& profile = *mode.profile;
    const auto denied = explain_refused_connection(
        profile, {false, "tcp/443 to 192.0.2.7", "", "denied", "network/egress/deny/0"});
    CHECK(denied.rule == "network-egress");
    CHECK(denied.what == "tcp/443 to 192.0.2.7");
    CHECK(denied.why == "'192.0.2.7' denies it");
    CHECK(denied.at.pointer == "/network/egress/deny/0");
    CHECK(denied.fix == "remove \"192.0.2.7\" from network/egress/deny");
    CHECK(denied.key.empty());
    const auto listed = explain_refused_connection(
        profile, {false, "udp/53 to 192.0.2.8", "", "not-allowed", "network/egress/allow"});
    CHECK(listed.at.pointer == "/network/egress/allow");
    CHECK(listed.at.line == denied.at.line - 1);
    CHECK(listed.key == "network/egress/allow");
    CHECK(listed.value == "udp/53 to 192.0.2.8");
    CHECK(listed.fix == "add \"udp/53 to 192.0.2.8\" to network/egress/allow");
    const auto named = explain_refused_connection(
        profile, {false, "", "tracker.example", "not-allowed", "network/egress/allow"});
    CHECK(named.what == "tracker.example");
    // What no rule can be about, and what no line says.
    const auto other = explain_refused_connection(
        profile, {false, "protocol 132 to 192.0.2.8", "", "not-allowed", "network/egress/allow"});
    CHECK((other.fix.empty() && other.key.empty()));
    const auto inbound = explain_refused_connection(
        profile, {true, "tcp/22 from 192.0.2.8", "", "not-allowed", "network/inbound"});
    CHECK(inbound.rule == "network-inbound");
    CHECK(inbound.at.pointer == "/network");
    CHECK(inbound.fix == "add \"tcp/22 from 192.0.2.8\" to network/inbound");
    const auto all = explain_refused_connection(
        profile, {false, "udp/5353 to 224.0.0.251", "", "not-a-host", "network"});
    CHECK((all.rule == "network" && all.fix.empty()));
    // Of another build, or of a policy that is another by now.
    CHECK(explain_refused_connection(profile, {false, "a", "", "new-word", "no/such/line"}).why ==
          "the network of the mode holds nothing that could carry it");
    CHECK(explain_refused_connection(profile, {false, "a", "", "denied", "network/egress/deny/9"})
              .fix.empty());
}

TEST_CASE("a capability that was refused is traced to the list, and to whose it was") {
    const auto set = shipped_policy();
    const auto& secure = *find_mode(set, "secure").profile;
    constexpr std::uint32_t kSysAdmin = 21;
    const auto mode = explain_refused_capability(secure, kSysAdmin, true);
    CHECK(mode.rule == "capability-not-granted");
    CHECK(mode.what == "CAP_SYS_ADMIN");
    CHECK(mode.at.pointer == "/process/capabilities");
    CHECK(mode.fix == "add \"CAP_SYS_ADMIN\" to process/capabilities");
    // The phone's own: nothing in a profile changes that.
    const auto phone = explain_refused_capability(secure, kSysAdmin, false);
    CHECK(phone.rule == "capability-of-the-phone");
    CHECK(phone.fix.empty());
    Profile granted;
    granted.process.capabilities.bounding = 1ULL << kSysAdmin;
    CHECK(explain_refused_capability(granted, kSysAdmin, true).rule == "capability-not-held");
    CHECK(explain_refused_capability(secure, 63, true).what == "capability 63");
}

TEST_CASE("what Landlock refused is traced to what would have let it") {
    const auto set = shipped_policy();
    const auto& secure = *find_mode(set, "secure").profile;
    const auto run = explain_refused_by_landlock(secure, LandlockTry::execute, "execute x");
    CHECK(run.rule == "landlock-not-executable");
    CHECK(run.at.pointer == "/landlock/execute");
    CHECK_FALSE(run.fix.empty());
    CHECK(explain_refused_by_landlock(secure, LandlockTry::write, "write x").rule ==
          "landlock-read-only");
    CHECK(explain_refused_by_landlock(secure, LandlockTry::mount, "mount").rule ==
          "landlock-mount");
    CHECK(explain_refused_by_landlock(secure, LandlockTry::trace, "look").rule == "landlock-trace");
}
