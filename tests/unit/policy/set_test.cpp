// tests: profiles together: extends, all faults at once, site policy, faults between profiles.
#include <algorithm>
#include <catch2/catch.hpp>

#include "policy/language.h"
#include "policy/names.h"
#include "policy/profile.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

struct Bad {
    std::string extra;  // after a faultless profile's last key
    std::string rule;
    std::string pointer;
    std::string fix;  // part of it
};

const Bad kBad[] = {
    {", \"volums\": []", "unknown-key", "/volums", "volumes"},
    {", \"session\": {\"autstart\": true}", "unknown-key", "/session/autstart", "autostart"},
    {", \"session\": {\"autostart\": \"yes\"}", "wrong-type", "/session/autostart", ""},
    {", \"session\": {\"background\": \"freez\"}", "bad-value", "/session/background", "freeze"},
    {", \"session\": {\"stopTimeout\": \"5 s\"}", "bad-value", "/session/stopTimeout", "5s"},
    {", \"session\": null", "wrong-type", "/session", ""},
    {", \"devices\": {\"gpus\": \"render\"}", "unknown-class", "/devices/gpus", "gpu"},
    {", \"devices\": {\"gpu\": \"rendr\"}", "bad-value", "/devices/gpu", "render"},
    {", \"devices\": {\"modem\": [\"smss\"]}", "bad-value", "/devices/modem/0", "sms"},
    {", \"hooks\": {\"switchin\": []}", "unknown-key", "/hooks/switchin", "switchIn"},
    {", \"hooks\": {\"lock\": [\"../x\"]}", "bad-value", "/hooks/lock/0", "hooks directory"},
    {", \"mounts\": [{\"type\": \"tmpfs\", \"target\": \"/a/../b\"}]", "bad-value",
     "/mounts/0/target", "begin with /"},
    {", \"mounts\": [{\"type\": \"tmpfs\", \"target\": \"/proc/x\"}]", "forbidden-target",
     "/mounts/0", ""},
    {", \"mounts\": [{\"type\": \"tmpfs\", \"target\": \"/\"}]", "forbidden-target", "/mounts/0",
     "directory"},
    {", \"mounts\": [{\"type\": \"bind\", \"target\": \"/a\", \"source\": \"/dev/mapper\"}]",
     "forbidden-source", "/mounts/0/source", ""},
    {", \"mounts\": [{\"type\": \"bind\", \"source\": \"/var\", \"target\": \"/mnt\"}]",
     "forbidden-source", "/mounts/0/source", "purpose"},
    {", \"mounts\": [{\"type\": \"bind\", \"target\": \"/mnt\"}]", "missing-key", "/mounts/0",
     "directory"},
    {", \"mounts\": [{\"type\": \"bind\", \"target\": \"/a\"}]", "missing-key", "/mounts/0",
     "directory of the host"},
    {", \"mounts\": [{\"type\": \"tmpfs\"}]", "missing-key", "/mounts/0", ""},
    {", \"mounts\": [{\"type\": \"tmpfs\", \"target\": \"/a\", \"options\": [\"nosud\"]}]",
     "unknown-option", "/mounts/0/options/0", "nosuid"},
    {", \"mounts\": [{\"type\": \"tmpfs\", \"target\": \"/a\", \"options\": [\"ro\", \"rw\"]}]",
     "contradiction", "/mounts/0", ""},
    {", \"mounts\": [{\"type\": \"tmpfs\", \"target\": \"/a\"}, {\"type\": \"tmpfs\", \"target\": "
     "\"/a\"}]",
     "duplicate-target", "/mounts/1", ""},
    {", \"mounts\": [{\"type\": \"tmpfs\", \"target\": \"/a/b\"}, {\"type\": \"tmpfs\", "
     "\"target\": \"/a\"}]",
     "hidden-target", "/mounts/1", "outer one first"},
    {", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": \"64MB\", \"unlock\": "
     "[\"pin\"]}]",
     "bad-value", "/volumes/0/size", "64MiB"},
    {", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": 5, \"unlock\": [\"pin\"]}]",
     "out-of-range", "/volumes/0/size", "at least"},
    {", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": \"1KiB\", \"unlock\": "
     "[\"pin\"]}]",
     "out-of-range", "/volumes/0/size", "at least"},
    {", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"unlock\": [\"pin\"]}]", "missing-key",
     "/volumes/0", "64MiB"},
    {", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": \"64MiB\"}]", "missing-key",
     "/volumes/0", "pin"},
    {", \"volumes\": [{\"name\": \"D x\", \"target\": \"/d\", \"size\": \"64MiB\", \"unlock\": "
     "[\"pin\"]}]",
     "bad-value", "/volumes/0/name", "letter"},
    {", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": \"64MiB\", \"unlock\": "
     "[\"pin\"], \"luks\": {\"keySize\": 300}}]",
     "bad-value", "/volumes/0/luks/keySize", ""},
    {", \"namespaces\": [\"user\", \"mount\"]", "missing-namespace", "/namespaces", "pid"},
    {", \"namespaces\": [\"users\"]", "bad-value", "/namespaces/0", "user"},
    {", \"timeOffsets\": {\"boottime\": 1000000000000}", "out-of-range", "/timeOffsets/boottime",
     ""},
    {", \"timeOffsets\": {\"boottime\": -99999999999999999999}", "wrong-type",
     "/timeOffsets/boottime", ""},
    {", \"resources\": {\"memory\": {\"max\": \"1GB\"}}", "bad-value", "/resources/memory/max",
     "GiB"},
    {", \"resources\": {\"memory\": {\"max\": {\"value\": \"1GiB\", \"optinal\": true}}}",
     "unknown-key", "/resources/memory/max/optinal", "optional"},
    {", \"resources\": {\"memory\": {\"max\": {\"optional\": true}}}", "missing-key",
     "/resources/memory/max", ""},
    {", \"resources\": {\"pids\": {\"max\": 0}}", "out-of-range", "/resources/pids/max", ""},
    {", \"resources\": {\"pids\": {\"max\": {\"value\": \"many\"}}}", "bad-value",
     "/resources/pids/max/value", "512"},
    {", \"resources\": {\"cpu\": {\"max\": \"half\"}}", "bad-value", "/resources/cpu/max",
     "50000 100000"},
    {", \"lsm\": {\"apparmor\": \"../x\"}", "bad-value", "/lsm/apparmor", ""},
    {", \"landlock\": {\"execute\": [\"usr\"]}", "bad-value", "/landlock/execute/0", ""},
    {", \"mode2\": 1", "unknown-key", "/mode2", "mode"},
};

// Where a key that the faultless profile has already is at fault: the text is changed instead.
struct Change {
    std::string from, to, rule, pointer, fix;
};

const Change kChanges[] = {
    {"\"pmos\": 1", "\"pmos\": 2", "out-of-range", "/pmos", ""},
    {"\"mode\": \"alpha\"", "\"mode\": \"Alpha\"", "bad-value", "/mode", "letter"},
    {"\"mode\": \"alpha\",", "", "missing-key", "", "mode"},
    {"\"alpha.erofs\"", "\"../alpha.erofs\"", "bad-value", "/root/image", ""},
    {"\"alpha.erofs\"", "\"/alpha.erofs\"", "bad-value", "/root/image", ""},
    {"\"count\": 65536", "\"count\": 10", "out-of-range", "/identity/uidRange/count", ""},
    {"\"start\": 200000", "\"start\": 0", "out-of-range", "/identity/uidRange/start", "65536"},
    {"\"start\": 200000", "\"start\": 4294960000", "out-of-range", "/identity/uidRange", ""},
    {"[\"/bin/true\"]", "[]", "bad-value", "/process/args", ""},
    {"[\"/bin/true\"]", "[1]", "wrong-type", "/process/args/0", ""},
    {"[\"/bin/true\"]", "[\"/bin/true\"], \"env\": [\"A B\"]", "bad-value", "/process/env/0",
     "NAME=value"},
    {"[\"/bin/true\"]", "[\"/bin/true\"], \"env\": [\"A=1\", \"A=2\"]", "duplicate-key",
     "/process/env/1", ""},
    {"[\"/bin/true\"]", "[\"/bin/true\"], \"capabilities\": [\"CAP_NET_RAWW\"]",
     "unknown-capability", "/process/capabilities/0", "CAP_NET_RAW"},
    {"[\"/bin/true\"]", "[\"/bin/true\"], \"rlimits\": {\"nofiles\": 1}", "unknown-rlimit",
     "/process/rlimits/nofiles", "nofile"},
    {"[\"/bin/true\"]", "[\"/bin/true\"], \"rlimits\": {\"nofile\": {\"soft\": 2, \"hard\": 1}}",
     "bad-value", "/process/rlimits/nofile", ""},
    {"[\"/bin/true\"]", "[\"/bin/true\"], \"user\": {\"uid\": 70000}", "out-of-range",
     "/process/user", "65535"},
    {"[\"/bin/true\"]", "[\"/bin/true\"], \"user\": {\"umask\": \"888\"}", "bad-value",
     "/process/user/umask", "022"},
    {"[\"@default\"]", "[\"@defualt\"]", "unknown-group", "/seccomp/allow/0", "@default"},
    {"[\"@default\"]", "[\"opnat\"]", "unknown-syscall", "/seccomp/allow/0", "openat"},
    {"[\"@default\"]", "[], \"rules\": [{\"names\": [\"@default\"], \"action\": \"allow\"}]",
     "unknown-syscall", "/seccomp/rules/0/names/0", ""},
    {"[\"@default\"]", "[], \"rules\": [{\"names\": [\"read\"], \"action\": \"log\"}]", "bad-value",
     "/seccomp/rules/0/action", ""},
    {"[\"@default\"]",
     "[], \"rules\": [{\"names\": [\"read\"], \"action\": \"allow\", \"args\": [{\"index\": 6, "
     "\"value\": 0, \"op\": \"SCMP_CMP_EQ\"}]}]",
     "out-of-range", "/seccomp/rules/0/args/0/index", "from 0 to 5"},
    {"[\"@default\"]",
     "[], \"rules\": [{\"names\": [\"read\"], \"action\": \"allow\", \"args\": [{\"index\": 0, "
     "\"value\": 0, \"op\": \"SCMP_CMP_MASKED_EQ\"}]}]",
     "missing-key", "/seccomp/rules/0/args/0", "valueTwo"},
    {"\"none\"", "\"non\"", "bad-value", "/network", "none"},
    {"\"none\"",
     "\"none\", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": \"64MiB\", "
     "\"tpm2\": {\"throttle\": true}, \"unlock\": [\"tpm2+pin\", \"pin\"]}]",
     "contradiction", "/volumes/0/tpm2/throttle", ""},
    {"\"none\"",
     "\"none\", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": \"64MiB\", "
     "\"tpm2\": {\"throttle\": true}, \"unlock\": [\"fido2\"]}]",
     "contradiction", "/volumes/0/tpm2/throttle", ""},
    {"\"none\"",
     "\"none\", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": \"64MiB\", "
     "\"tpm2\": {\"pcrs\": [7]}, \"unlock\": [\"tpm2+pin\"]}]",
     "contradiction", "/volumes/0/tpm2/pcrs", "take 'pcrs' out"},
    {"\"none\"",
     "\"none\", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": \"64MiB\", "
     "\"tpm2\": {\"pcrs\": []}, \"unlock\": [\"pin\"]}]",
     "contradiction", "/volumes/0/tpm2/pcrs", ""},
    {"\"none\"", "{\"egress\": {\"allow\": []}}", "contradiction", "/network", "loopback"},
};

}  // namespace

TEST_CASE("a faultless profile loads") {
    const auto mode = read_one(profile_text("alpha", 200000));
    INFO(texts(mode.diagnostics));
    REQUIRE(mode.profile != nullptr);
    CHECK(mode.mode == "alpha");
    CHECK(mode.profile->id_start == 200000);
    CHECK_FALSE(has_errors(mode.diagnostics));
}

TEST_CASE("a corpus of bad profiles: rule, place and fix of each") {
    for (const auto& bad : kBad) {
        const auto mode = read_one(profile_text("alpha", 200000, bad.extra));
        INFO(bad.extra << "\n" << texts(mode.diagnostics));
        CHECK(mode.profile == nullptr);
        CHECK(mode.mode == "alpha");
        const auto& d = find_rule(mode.diagnostics, bad.rule);
        CHECK(d.severity == Severity::error);
        CHECK(d.at.pointer == bad.pointer);
        CHECK(d.at.line > 0);
        CHECK(d.fix.find(bad.fix) != std::string::npos);
    }
    for (const auto& change : kChanges) {
        auto text = profile_text("alpha", 200000);
        const auto at = text.find(change.from);
        REQUIRE(at != std::string::npos);
        text.replace(at, change.from.size(), change.to);
        const auto mode = read_one(text);
        INFO(change.to << "\n" << texts(mode.diagnostics));
        CHECK(mode.profile == nullptr);
        const auto& d = find_rule(mode.diagnostics, change.rule);
        CHECK(d.at.pointer == change.pointer);
        CHECK(d.at.line > 0);
        CHECK(d.fix.find(change.fix) != std::string::npos);
    }
}

TEST_CASE("lists are bounded, for the launcher's tables are") {
    std::string mounts, args;
    for (int i = 0; i < 65; ++i)
        mounts += (i == 0 ? "" : ", ") +
                  ("{\"type\": \"tmpfs\", \"target\": \"/m" + std::to_string(i) + "\"}");
    const auto mode = read_one(profile_text("alpha", 200000, ", \"mounts\": [" + mounts + "]"));
    CHECK(find_rule(mode.diagnostics, "too-large").at.pointer == "/mounts");
    auto text = profile_text("alpha", 200000);
    for (int i = 0; i < 256; ++i) args += ", \"x\"";
    text.replace(text.find("[\"/bin/true\"]"), 13, "[\"/bin/true\"" + args + "]");
    CHECK(find_rule(read_one(text).diagnostics, "too-large").at.pointer == "/process/args");
}

TEST_CASE("all faults of a profile come at once, shapes and values") {
    const auto mode = read_one(profile_text("alpha", 200000,
                                            ", \"volums\": 1, \"devices\": {\"gpu\": 3}, "
                                            "\"mounts\": [{\"type\": \"tmpfs\", \"target\": "
                                            "\"/proc\"}], \"session\": {\"background\": \"x\"}"));
    auto rules = rules_of(mode.diagnostics);
    std::ranges::sort(rules);
    INFO(texts(mode.diagnostics));
    CHECK(rules ==
          std::vector<std::string>{"bad-value", "forbidden-target", "unknown-key", "wrong-type"});
}

TEST_CASE("a profile that is not JSON disables its own mode, named by its file") {
    const std::vector<SourceFile> files{{"dir/broken.json", "{"},
                                        {"b.json", profile_text("beta", 400000)}};
    const auto set = read_policy(files, nullptr, Files{});
    CHECK(find_mode(set, "broken").profile == nullptr);
    CHECK(has_rule(find_mode(set, "broken").diagnostics, "syntax"));
    CHECK(find_mode(set, "beta").profile != nullptr);
    for (const std::string bytes : {"[]", "3", "\"x\"", "null"}) {
        const auto mode = read_one(bytes);
        CHECK(mode.profile == nullptr);
        CHECK(has_rule(mode.diagnostics, "wrong-type"));
    }
}

TEST_CASE("extends: objects merge, the rest is replaced, places are kept") {
    Files files;
    files.blocks["blocks/one.json"] =
        "{\"pmos\": 1, \"session\": {\"autostart\": true, \"stopTimeout\": \"1s\"},\n"
        "\"process\": {\"env\": [\"A=1\", \"B=1\"]}}";
    files.blocks["blocks/two.json"] =
        "{\"pmos\": 1, \"extends\": [\"blocks/one.json\"],\n"
        "\"session\": {\"stopTimeout\": \"2s\", \"background\": \"run\"}}";
    auto text = profile_text("alpha", 200000, ", \"extends\": [\"blocks/two.json\"]");
    text.replace(text.find("[\"/bin/true\"]"), 13, "[\"/bin/true\"], \"env\": [\"C=1\"]");
    const auto mode = read_one(text, files);
    INFO(texts(mode.diagnostics));
    REQUIRE(mode.profile != nullptr);
    CHECK(mode.profile->session.autostart);
    CHECK(mode.profile->session.stop_timeout_ms == 2000);
    CHECK(mode.profile->session.background == Background::run);
    CHECK(mode.profile->process.env.back() == "C=1");
    CHECK(std::ranges::find(mode.profile->process.env, "A=1") == mode.profile->process.env.end());
    CHECK(mode.profile->where("session/autostart").file == "blocks/one.json");
    CHECK(mode.profile->where("session/stopTimeout").file == "blocks/two.json");
    CHECK(mode.profile->where("session/stopTimeout").line == 2);
    CHECK(mode.profile->where("process/env").file == "a.json");
    const auto origins = resolved_text(*mode.profile, true);
    CHECK(origins.find("blocks/two.json:2:28") != std::string::npos);
    CHECK(origins.find("/session/stopTimeout = \"2s\"\n") != std::string::npos);
    std::vector<Diagnostic> again;
    CHECK(read_json("again.json", resolved_text(*mode.profile, false), again).has_value());
}

TEST_CASE("defaults: what no file says has the table's, and what a file says is kept") {
    const auto mode =
        read_one(profile_text("alpha", 200000, ", \"session\": {\"autostart\": true}"));
    REQUIRE(mode.profile != nullptr);
    const auto whole = with_defaults(profile_language(), mode.profile->source);
    CHECK(whole.at_path("session/autostart")->boolean);
    CHECK(whole.at_path("session/autostart")->at.file == "a.json");
    CHECK(whole.at_path("session/stopTimeout")->text == "5s");
    CHECK(to_text(whole.at_path("session/stopTimeout")->at) == "default");
    CHECK(whole.at_path("process/user/umask")->at.pointer == "/process/user/umask");
    CHECK(whole.at_path("timeOffsets") == nullptr);
    CHECK(mode.profile->source.at_path("session/stopTimeout") == nullptr);
    // The defaults of the table are values of the language themselves.
    std::vector<Diagnostic> faults;
    check_shape(profile_language(), whole, true, faults);
    check_enforced(profile_language(), whole, Severity::error, faults);
    INFO(texts(faults));
    CHECK(faults.empty());
    CHECK(mode.profile->session.stop_timeout_ms == 5000);
    CHECK(mode.profile->devices.at("camera") == "none");
}

TEST_CASE("extends: cycles, ways out, missing and faulty blocks") {
    Files files;
    files.blocks["blocks/a.json"] = "{\"pmos\": 1, \"extends\": [\"blocks/b.json\"]}";
    files.blocks["blocks/b.json"] = "{\"pmos\": 1, \"extends\": [\"blocks/a.json\"]}";
    files.blocks["blocks/mode.json"] = "{\"pmos\": 1, \"mode\": \"x\"}";
    files.blocks["blocks/bad.json"] = "{\"pmos\": 1,\n \"sesion\": {}}";
    files.blocks["blocks/old.json"] = "{}";
    struct Row {
        std::string path, rule, file;
    };
    for (const auto& row : {Row{"blocks/a.json", "extends-cycle", "blocks/b.json"},
                            Row{"../etc/passwd", "bad-extends", "a.json"},
                            Row{"/etc/passwd", "bad-extends", "a.json"},
                            Row{"blocks/../../x", "bad-extends", "a.json"},
                            Row{"blocks/none.json", "bad-extends", "a.json"},
                            Row{"blocks/mode.json", "mode-in-block", "blocks/mode.json"},
                            Row{"blocks/bad.json", "unknown-key", "blocks/bad.json"},
                            Row{"blocks/old.json", "missing-key", "blocks/old.json"}}) {
        const auto mode =
            read_one(profile_text("alpha", 200000, ", \"extends\": [\"" + row.path + "\"]"), files);
        INFO(row.path << "\n" << texts(mode.diagnostics));
        CHECK(mode.profile == nullptr);
        REQUIRE(mode.diagnostics.size() >= 1);
        CHECK(rule_id(mode.diagnostics[0].rule) == row.rule);
        CHECK(mode.diagnostics[0].at.file == row.file);
        CHECK(mode.diagnostics[0].at.line > 0);
    }
}

TEST_CASE("extends: many files are bounded") {
    Files files;
    std::string list;
    for (int i = 0; i < 10; ++i) {
        const auto next = "blocks/" + std::to_string(i + 1) + ".json";
        files.blocks["blocks/" + std::to_string(i) + ".json"] =
            "{\"pmos\": 1, \"extends\": [\"" + next + "\", \"" + next + "\", \"" + next + "\"]}";
    }
    files.blocks["blocks/10.json"] = "{\"pmos\": 1}";
    const auto mode =
        read_one(profile_text("alpha", 200000, ", \"extends\": [\"blocks/0.json\"]"), files);
    CHECK(mode.profile == nullptr);
    CHECK(has_rule(mode.diagnostics, "too-large"));
    CHECK(mode.diagnostics.size() < 200);
}

TEST_CASE("lints warn and do not disable") {
    struct Row {
        std::string from, to, rule;
    };
    const std::string allow = "[\"@default\"]";
    const std::string ioctl =
        "[], \"rules\": [{\"names\": [\"ioctl\"], \"action\": \"errno\", \"args\": [{\"index\": 1, "
        "\"value\": 21522, \"op\": \"SCMP_CMP_EQ\"}]}]";
    const std::string volume =
        "\"none\", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": \"64MiB\", ";
    for (const auto& row :
         {Row{allow, "[\"@mount\"]", "dangerous-syscalls"}, Row{allow, ioctl, "high-bits"},
          Row{allow, "[], \"rules\": [{\"names\": [\"unshare\"], \"action\": \"allow\"}]",
              "guard-overridden"},
          Row{"[\"/bin/true\"]", "[\"/bin/true\"], \"capabilities\": [\"CAP_SYS_ADMIN\"]",
              "dangerous-capability"},
          Row{"\"none\"", volume + "\"unlock\": [\"device-key\"]}]", "device-key"},
          Row{"\"none\"",
              volume + "\"unlock\": [\"pin\"], \"luks\": {\"pbkdf\": {\"type\": \"pbkdf2\"}}}]",
              "weak-kdf"},
          Row{"\"none\"", volume + "\"unlock\": [\"pin\"], \"options\": [\"exec\"]}]",
              "writable-executable"},
          Row{"\"none\"", "\"none\"", "missing-limit"},
          Row{"\"none\"", "\"none\", \"devices\": {\"torch\": \"foreground\"}", "not-enforced"}}) {
        auto text = profile_text("alpha", 200000);
        text.replace(text.find(row.from), row.from.size(), row.to);
        const auto mode = read_one(text);
        INFO(row.to << "\n" << texts(mode.diagnostics));
        CHECK(mode.profile != nullptr);
        CHECK(find_rule(mode.diagnostics, row.rule).severity == Severity::warning);
    }
}

TEST_CASE("lists that name the same things agree") {
    CHECK(child_keys(profile_language(), "devices") ==
          split_list(find_key(site_language(), "require/[]/devices")->keys));
    std::vector<std::string_view> limits;
    for (const auto& entry : rlimit_names()) limits.push_back(entry.name);
    CHECK(split_list(find_key(profile_language(), "process/rlimits")->keys) == limits);
    std::vector<std::string_view> namespaces;
    for (const auto& entry : namespace_names()) namespaces.push_back(entry.name);
    CHECK(split_list(find_key(profile_language(), "namespaces/[]")->values) == namespaces);
    CHECK(hook_point_name(HookPoint::volume_check) == "volumeCheck");
    CHECK(hook_point_name(HookPoint::unlock) == "unlock");
    CHECK(split_list(kHookPointNames).size() ==
          static_cast<std::size_t>(HookPoint::modem_call) + 1);
}

TEST_CASE("names, sizes and paths") {
    CHECK(parse_size("64MiB") == 64ULL << 20U);
    CHECK(parse_size("4096") == 4096);
    for (const auto bad :
         {"", "MiB", "64MB", "64 MiB", "-1", "99999999999999999999", "17179869184GiB"})
        CHECK_FALSE(parse_size(bad).has_value());
    CHECK(parse_duration("5min") == 300000);
    CHECK(parse_duration("250ms") == 250);
    for (const auto bad : {"5", "5 s", "m", "1d"}) CHECK_FALSE(parse_duration(bad).has_value());
    for (const auto good : {"a", "personal", "work-2", "abcdefghijklmnopqrstuvwxyz012345"})
        CHECK(is_mode_name(good));
    for (const auto bad :
         {"", "A", "2a", "-a", "a_b", "a/b", "a.b", "abcdefghijklmnopqrstuvwxyz0123456"})
        CHECK_FALSE(is_mode_name(bad));
    for (const auto good : {"/", "/a", "/a/b.c"}) CHECK(is_absolute_path(good));
    for (const auto bad : {"", "a", "//", "/a/", "/a//b", "/./a", "/a/..", "/a\nb"})
        CHECK_FALSE(is_absolute_path(bad));
    for (const auto good : {"a", "a/b.json"}) CHECK(is_relative_path(good));
    for (const auto bad : {"", "/a", "a/", "../a", "a/../b", "a//b"})
        CHECK_FALSE(is_relative_path(bad));
}
