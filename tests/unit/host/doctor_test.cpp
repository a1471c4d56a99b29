// tests: what the doctor says of a phone.
#include "runtime/host/doctor.h"

#include <fmt/core.h>

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
    f.device_mapper_targets = {"crypt", "verity", "integrity"};
    f.devices = {{"gpu", "render", "dri/renderD128", false, 226, 128},
                 {"modem", "port", "ttyS2", false, 4, 66}};
    return f;
}

std::string severity_of(const std::vector<host::Finding>& findings, const std::string& subject) {
    const auto it = std::ranges::find(findings, subject, &host::Finding::subject);
    return it == findings.end() ? "absent" : it->severity;
}

std::string message_of(const std::vector<host::Finding>& findings, const std::string& subject,
                       const std::string& severity = "") {
    for (const auto& f : findings)
        if (f.subject == subject && (severity.empty() || f.severity == severity)) return f.message;
    return "";
}

policy::PolicySet one_volume(const std::string& cipher, int key_size, const std::string& unlock) {
    const std::string text = fmt::format(
        R"({{"pmos": 1, "mode": "a", "root": {{"image": "a.erofs"}}, "network": "none",
            "identity": {{"uidRange": {{"start": 200000, "count": 65536}}}},
            "process": {{"args": ["/bin/true"]}}, "seccomp": {{"allow": ["@default"]}},
            "volumes": [{{"name": "d", "target": "/d", "size": "64MiB", "unlock": ["{}"],
                          "luks": {{"cipher": "{}", "keySize": {}}}}}]}})",
        unlock, cipher, key_size);
    const policy::SourceFile file{"a.json", text};
    return policy::read_policy(std::span(&file, 1), nullptr, [](const std::string&) {
        return Result<std::string>(fail(Code::not_found, "no such file"));
    });
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

TEST_CASE("of a volume that a PIN opens it is said what a guess takes") {
    auto facts = whole_phone();
    facts.memory_available = 400ULL << 20;
    facts.cpus = 2;
    const auto set = one_volume("aes-xts-plain64", 512, "pin");
    const auto said = message_of(host::examine(facts, set), "volume a/d");
    CHECK_THAT(said, Catch::Contains("argon2id") && Catch::Contains("100 MiB") &&
                         Catch::Contains("2 lanes") && Catch::Contains("1000 ms"));
    CHECK(message_of(host::examine(facts, one_volume("aes-xts-plain64", 512, "device-key")),
                     "volume a/d") == "");
}

TEST_CASE("a CPU without AES, and a kernel without a cipher, are named with a hint") {
    auto facts = whole_phone();
    facts.no_aes = true;
    CHECK_THAT(message_of(host::examine(facts, one_volume("aes-xts-plain64", 512, "device-key")),
                          "volume a/d"),
               Catch::Contains("no instructions for AES"));
    const auto sm4 = one_volume("sm4-xts-plain64", 256, "device-key");
    CHECK(message_of(host::examine(facts, sm4), "volume a/d") == "");
    facts.missing_ciphers = {"sm4-xts-plain64"};
    const auto findings = host::examine(facts, sm4);
    CHECK_THAT(message_of(findings, "mode a", "error"), Catch::Contains("no xts(sm4)"));
}
