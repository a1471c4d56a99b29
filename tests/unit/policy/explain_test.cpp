// tests: why a system call is refused, down to the line.
#include "policy/explain.h"

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
