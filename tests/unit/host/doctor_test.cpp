// tests: what the doctor says of a phone.
#include "runtime/host/doctor.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace pmos;

namespace {

policy::HostFacts whole_phone() {
    policy::HostFacts f;
    f.landlock_abi = 2;
    f.apparmor = f.audit = f.device_denials = f.capability_denials = f.landlock_denials =
        f.cgroup_v2 = f.time_namespace = f.wipes_freed = true;
    f.cgroup_controllers = {"memory", "pids", "cpu", "io"};
    f.filesystems = {"ext4", "erofs"};
    f.device_mapper_targets = {"crypt", "verity"};
    f.devices = {{"gpu", "render", "dri/renderD128", false, 226, 128},
                 {"modem", "port", "ttyS2", false, 4, 66}};
    return f;
}

std::string severity_of(const std::vector<host::Finding>& findings, const std::string& subject) {
    const auto it = std::ranges::find(findings, subject, &host::Finding::subject);
    return it == findings.end() ? "absent" : it->severity;
}

}  // namespace

TEST_CASE("a phone that has everything has no error and no warning") {
    for (const auto& finding : host::examine(whole_phone(), {})) {
        INFO(finding.subject << ": " << finding.message);
        CHECK(finding.severity != "error");
        CHECK(finding.severity != "warning");
        CHECK_FALSE(finding.message.empty());
    }
}

TEST_CASE("what is lacking is named, with what to do") {
    const auto findings = host::examine({}, {});
    for (const char* subject : {"time namespace", "cgroup", "erofs", "ext4", "dm-crypt"})
        CHECK(severity_of(findings, subject) == "error");
    for (const char* subject :
         {"landlock", "apparmor", "denials", "denials of devices", "denials by cgroup limits",
          "cgroup memory", "cgroup io", "freed memory"})
        CHECK(severity_of(findings, subject) == "warning");
    for (const char* subject :
         {"device gpu", "device modem", "dm-verity", "denials of capabilities"})
        CHECK(severity_of(findings, subject) == "note");
    for (const auto& finding : findings) {
        INFO(finding.subject);
        CHECK((finding.severity == "ok" || finding.subject.starts_with("device ") ||
               !finding.hint.empty()));
    }
}

TEST_CASE("a piped core_pattern is named") {
    auto facts = whole_phone();
    facts.core_pattern = "|/usr/lib/systemd/systemd-coredump %P";
    CHECK(severity_of(host::examine(facts, {}), "core dumps") == "note");
    CHECK(severity_of(host::examine(whole_phone(), {}), "core dumps") == "ok");
}

TEST_CASE("hooks that this kernel lets nobody see are named") {
    auto facts = whole_phone();
    facts.refusals_unseen = "this kernel has no hook_file_truncate";
    const auto findings = host::examine(facts, {});
    const auto told = std::ranges::find(findings, "denials by Landlock", &host::Finding::subject);
    REQUIRE(told != findings.end());
    CHECK(told->severity == "ok");
    CHECK(told->message.ends_with("(this kernel has no hook_file_truncate)"));
    facts.landlock_denials = facts.capability_denials = false;
    const auto without = host::examine(facts, {});
    CHECK(severity_of(without, "denials by Landlock") == "note");
    CHECK(severity_of(without, "denials of capabilities") == "note");
}

TEST_CASE("problems of the host and broken modes are errors with their place") {
    auto facts = whole_phone();
    facts.problems = {"handset: /etc/pmos/handset.json: it is not JSON"};
    policy::PolicySet set;
    policy::ModePolicy mode;
    mode.mode = "secure";
    policy::Diagnostic d;
    d.rule = policy::Rule::unknown_key;
    d.at = {"secure.json", 3, 5, "/x"};
    d.message = "unknown key 'x'";
    d.fix = "remove it";
    mode.diagnostics.push_back(d);
    set.modes.push_back(mode);
    const auto findings = host::examine(facts, set);
    CHECK(severity_of(findings, "host") == "error");
    const auto it = std::ranges::find(findings, "mode secure", &host::Finding::subject);
    REQUIRE(it != findings.end());
    CHECK(it->severity == "error");
    CHECK(it->message == "secure.json:3:5: unknown key 'x' [unknown-key]");
    CHECK(it->hint == "remove it");
}
