// tests: lints: each speaks up where it should, at its line, and nowhere else.
#include "policy/lint.h"

#include <catch2/catch.hpp>

#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

std::vector<Diagnostic> lints(const std::string& from, const std::string& to) {
    auto text = profile_text("alpha", 200000,
                             ", \"resources\": {\"memory\": {\"max\": \"1GiB\"}, \"pids\": "
                             "{\"max\": 64}}");
    text.replace(text.find("[\"@default\"]"), 12, "[\"@system-service\"]");
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    const std::vector<SourceFile> files{{"a.json", text}};
    const auto set = read_policy(files, nullptr, {});
    INFO(text);
    for (const auto& d : set.modes[0].diagnostics) UNSCOPED_INFO(to_text(d));
    REQUIRE(set.modes[0].profile != nullptr);
    auto found = set.modes[0].diagnostics;
    // Of every profile here; it has a test of its own.
    std::erase_if(found, [](const Diagnostic& d) { return d.rule == Rule::unverified_image; });
    return found;
}

struct Row {
    std::string from, to;
    std::vector<std::string> rules;
    std::string pointer, message;  // of the first; part of the message
};

const std::string kAllow = "[\"@system-service\"]";
const std::string kArgs = "[\"/bin/true\"]";
const std::string kNet = "\"network\": \"none\"";

std::string caps(const std::string& list) { return kArgs + ", \"capabilities\": [" + list + "]"; }
std::string seccomp(const std::string& rules) { return kAllow + ", \"rules\": [" + rules + "]"; }
std::string unchecked(const std::string& rest) {
    return kNet + ", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": \"64MiB\", " +
           rest + "}]";
}
std::string volume(const std::string& rest) {
    return unchecked(rest) + ", \"hooks\": {\"volumeCheck\": [\"volume-check\"]}";
}

}  // namespace

TEST_CASE("a lint for each weakness, and silence where there is none") {
    const Row rows[] = {
        {kArgs, kArgs, {}, "", ""},
        {kArgs,
         caps("\"CAP_NET_RAW\", \"CAP_SYS_ADMIN\""),
         {"unused-right", "dangerous-capability"},
         "/process/capabilities/0",
         "initial user"},
        {kArgs,
         caps("\"CAP_SYS_CHROOT\""),
         {"unused-right"},
         "/process/capabilities/0",
         "system call"},
        {kArgs, caps("\"CAP_CHOWN\", \"CAP_SETUID\", \"CAP_KILL\""), {}, "", ""},
        {kArgs,
         caps("\"CAP_SYS_PTRACE\""),
         {"dangerous-capability", "unused-right"},
         "/process/capabilities/0",
         "pmos-init"},
        {kAllow,
         "[\"@system-service\", \"ptrace\"]",
         {"dangerous-syscalls"},
         "/seccomp/allow/1",
         "ptrace"},
        {kAllow,
         "[\"@system-service\", \"@privileged\"]",
         {"dangerous-syscalls"},
         "/seccomp/allow/1",
         " more"},
        {kAllow,
         seccomp("{\"names\": [\"mount\"], \"action\": \"allow\"}"),
         {"dangerous-syscalls"},
         "/seccomp/rules/0",
         "mount"},
        {kAllow, seccomp("{\"names\": [\"mount\"], \"action\": \"kill\"}"), {}, "", ""},
        {kAllow, "[\"@default\", \"@file-system\"]", {"libc-start"}, "/seccomp/allow", "pread64"},
        {kAllow, "[\"@default\", \"@file-system\", \"@basic-io\"]", {}, "", ""},
        {kAllow,
         seccomp("{\"names\": [\"exit_group\"], \"action\": \"kill\"}"),
         {"libc-start"},
         "/seccomp/rules/0",
         "exit_group"},
        {kAllow,
         seccomp("{\"names\": [\"sync\"], \"action\": \"errno\"}, {\"names\": [\"sync\"], "
                 "\"action\": \"kill\"}"),
         {"unreachable-rule"},
         "/seccomp/rules/1",
         "never"},
        {kAllow,
         seccomp("{\"names\": [\"sync\"], \"action\": \"errno\"}, {\"names\": [\"sync\", "
                 "\"syncfs\"], \"action\": \"kill\"}"),
         {},
         "",
         ""},
        {kNet, "\"network\": \"loopback\"", {}, "", ""},
        {kNet,
         kNet + ", \"lsm\": {\"apparmor\": \"unconfined\"}",
         {"unconfined"},
         "/lsm/apparmor",
         "AppArmor"},
        {kNet, kNet + ", \"devices\": {\"gpu\": \"render\"}", {}, "", ""},
        {kNet,
         kNet +
             ", \"devices\": {\"camera\": \"background\"}, \"session\": {\"background\": \"run\"}",
         {"unarbitrated-device"},
         "/devices/camera",
         "background"},
        {kNet,
         volume("\"unlock\": [\"fido2\"]"),
         {"lone-authenticator"},
         "/volumes/0/unlock",
         "loses the authenticator"},
        {kNet, volume("\"unlock\": [\"fido2\", \"recovery-key\"]"), {}, "", ""},
        {kNet, volume("\"unlock\": [\"pin\", \"fido2\"]"), {}, "", ""},
        {kNet,
         volume("\"unlock\": [\"tpm2+pin\", \"pin\"]"),
         {"pin-beside-tpm"},
         "/volumes/0/unlock/1",
         "worth nothing"},
        {kNet, volume("\"unlock\": [\"tpm2+pin\", \"recovery-key\"]"), {}, "", ""},
        {kNet, volume("\"unlock\": [\"passphrase\", \"tpm2+pin\"]"), {}, "", ""},
        {kNet,
         volume("\"unlock\": [\"tpm2\", \"recovery-key\"]"),
         {"tpm-alone"},
         "/volumes/0/unlock",
         "whole phone as long as it boots"},
        {kNet,
         volume("\"unlock\": [\"pin\", \"tpm2\"], \"tpm2\": {\"pcrs\": []}"),
         {"tpm-alone"},
         "/volumes/0/unlock",
         "whole phone, and a lock"},
        {kNet,
         volume("\"unlock\": [\"tpm2\"]"),
         {"tpm-alone", "lone-tpm"},
         "/volumes/0/unlock",
         "whole phone"},
        {kNet,
         volume("\"unlock\": [\"pin\"], \"luks\": {\"pbkdf\": {\"memoryMax\": \"1MiB\"}}"),
         {"weak-kdf"},
         "/volumes/0/luks/pbkdf",
         "cheap"},
        {kNet,
         volume("\"unlock\": [\"pin\"], \"luks\": {\"pbkdf\": {\"timeMs\": 100}}"),
         {"weak-kdf"},
         "/volumes/0/luks/pbkdf",
         "cheap"},
        {kNet,
         volume("\"unlock\": [\"pin\"], \"luks\": {\"pbkdf\": {\"memoryMax\": \"64MiB\"}}"),
         {},
         "",
         ""},
        {kNet,
         volume("\"unlock\": [\"pin\"], \"luks\": {\"discards\": \"online\"}"),
         {"told-discards"},
         "/volumes/0/luks/discards",
         "which blocks are free"},
        {kNet,
         unchecked("\"unlock\": [\"pin\"]"),
         {"unchecked-volume"},
         "/volumes/0",
         "before it is mounted"},
        {kNet,
         unchecked("\"unlock\": [\"pin\"]") + ", \"hooks\": {\"preStart\": [\"volume-check\"]}",
         {"unchecked-volume"},
         "/volumes/0",
         "'d'"},
        {kNet,
         volume("\"unlock\": [\"pin\"], \"options\": [\"exec\"]"),
         {"writable-executable"},
         "/volumes/0",
         "/d"},
        {kNet, volume("\"unlock\": [\"pin\"], \"options\": [\"exec\", \"ro\"]"), {}, "", ""},
        {kNet,
         kNet + ", \"mounts\": [{\"type\": \"bind\", \"source\": \"/srv/x\", \"target\": \"/x\", "
                "\"options\": [\"rw\", \"exec\"]}]",
         {"writable-executable"},
         "/mounts/0",
         "/x"},
        {kNet,
         kNet + ", \"mounts\": [{\"type\": \"bind\", \"source\": \"/srv/x\", \"target\": \"/x\", "
                "\"options\": [\"exec\"]}]",
         {},
         "",
         ""},
    };
    for (const auto& row : rows) {
        const auto found = lints(row.from, row.to);
        INFO(row.to);
        CHECK(rules_of(found) == row.rules);
        if (found.empty()) continue;
        CHECK(found[0].at.pointer == row.pointer);
        CHECK(found[0].at.line > 0);
        CHECK(found[0].message.find(row.message) != std::string::npos);
        CHECK(found[0].severity != Severity::error);
    }
}

TEST_CASE("an image that nothing verifies is noted, and a fallback too") {
    const std::string hash(64, 'a');
    const auto notes = [](const std::string& root) {
        auto text = profile_text("alpha", 200000);
        text.replace(text.find("\"alpha.erofs\""), 13, root);
        const std::vector<SourceFile> files{{"a.json", text}};
        std::vector<std::string> at;
        const auto set = read_policy(files, nullptr, {});
        for (const auto& d : set.modes[0].diagnostics) {
            if (d.rule != Rule::unverified_image) continue;
            CHECK(d.severity == Severity::note);
            at.push_back(d.at.pointer);
        }
        return at;
    };
    const std::string verity = ", \"verity\": {\"rootHash\": \"" + hash + "\"}";
    const std::string open = ", \"fallback\": {\"image\": \"b\"}";
    using At = std::vector<std::string>;
    CHECK(notes("\"a\"") == At{"/root/image"});
    CHECK(notes("\"a\"" + verity).empty());
    CHECK(notes("\"a\"" + verity + open) == At{"/root/fallback/image"});
    CHECK(notes("\"a\"" + open) == At{"/root/image", "/root/fallback/image"});
    CHECK(notes("\"a\"" + verity + ", \"fallback\": {\"image\": \"b\"" + verity + "}").empty());
}

TEST_CASE("a network without sockets is of no use") {
    auto text = profile_text("alpha", 200000);
    text.replace(text.find("\"none\""), 6, "\"loopback\"");
    const std::vector<SourceFile> files{{"a.json", text}};
    CHECK(find_rule(read_policy(files, nullptr, {}).modes[0].diagnostics, "unused-right")
              .at.pointer == "/network");
}

TEST_CASE("three walls opened at once are named together, with their lines") {
    const auto found =
        lints(kNet, kNet +
                        ", \"lsm\": {\"apparmor\": \"unconfined\"},\n\"mounts\": [{\"type\": "
                        "\"bind\", \"source\": \"/srv/x\", \"target\": \"/x\", \"options\": "
                        "[\"rw\"]}],\n\"devices\": {\"gpu\": \"full\"}");
    const auto& d = find_rule(found, "broad-grant");
    CHECK(d.related.size() == 3);
    CHECK(d.message.find("3 walls") != std::string::npos);
    CHECK_FALSE(
        has_rule(lints(kNet, kNet + ", \"lsm\": {\"apparmor\": \"unconfined\"}"), "broad-grant"));
}

TEST_CASE("a device that two modes have and nobody arbitrates is a finding of both") {
    const std::string camera =
        ", \"devices\": {\"camera\": \"background\"}, \"session\": {\"background\": \"run\"}";
    const std::string gpu = ", \"devices\": {\"gpu\": \"render\"}";
    for (const auto& [extra, expected] : {std::pair{camera, true}, {gpu, false}}) {
        const std::vector<SourceFile> files{{"a.json", profile_text("alpha", 200000, extra)},
                                            {"b.json", profile_text("beta", 400000, extra)}};
        const auto set = read_policy(files, nullptr, {});
        for (const auto& mode : set.modes) {
            CHECK(mode.profile != nullptr);
            CHECK(has_rule(mode.diagnostics, "shared-device") == expected);
        }
    }
}
