// tests: what the owner demands, and faults between two profiles.
#include <algorithm>
#include <catch2/catch.hpp>

#include "policy/profile.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

TEST_CASE("faults between profiles disable both and name both places") {
    struct Row {
        std::string a, b, rule;
    };
    const std::string volume =
        ", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"source\": {\"device\": "
        "\"/dev/vdc\"}, \"unlock\": [\"pin\"]}]";
    const std::string share =
        ", \"mounts\": [{\"type\": \"bind\", \"source\": \"/srv/x\", \"target\": \"/x\"";
    auto image = profile_text("beta", 400000);
    image.replace(image.find("beta.erofs"), 10, "alpha.erofs");
    for (const auto& row :
         {Row{profile_text("alpha", 200000), profile_text("beta", 265535), "overlapping-id-range"},
          Row{profile_text("alpha", 200000), profile_text("alpha", 400000), "duplicate-mode"},
          Row{profile_text("alpha", 200000), image, "shared-image"},
          Row{profile_text("alpha", 200000, volume), profile_text("beta", 400000, volume),
              "shared-volume"},
          Row{profile_text("alpha", 200000, share + ", \"options\": [\"rw\"]}]"),
              profile_text("beta", 400000, share + "}]"), "writable-share"}}) {
        const std::vector<SourceFile> files{{"a.json", row.a}, {"b.json", row.b}};
        const auto set = read_policy(files, nullptr, Files{});
        REQUIRE(set.modes.size() == 2);
        for (const auto& mode : set.modes) {
            INFO(row.rule << "\n" << texts(mode.diagnostics));
            CHECK(mode.profile == nullptr);
            const auto& d = find_rule(mode.diagnostics, row.rule);
            CHECK(d.at.file == mode.file);
            REQUIRE(d.related.size() == 1);
            CHECK(d.related[0].file != mode.file);
            CHECK(d.related[0].line > 0);
        }
    }
}

TEST_CASE("id ranges that touch do not overlap") {
    const std::vector<SourceFile> files{{"a.json", profile_text("alpha", 200000)},
                                        {"b.json", profile_text("beta", 265536)}};
    const auto set = read_policy(files, nullptr, Files{});
    for (const auto& mode : set.modes) CHECK(mode.profile != nullptr);
}

TEST_CASE("the site policy: each demand, pointing at both lines") {
    const std::string volume =
        ", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": \"64MiB\", \"unlock\": "
        "[\"device-key\"]}]";
    const std::string share =
        ", \"mounts\": [{\"type\": \"bind\", \"source\": \"/srv/x\", \"target\": \"/x\", "
        "\"options\": [\"rw\"]}]";
    struct Row {
        std::string demand, extra, pointer;
    };
    for (const auto& row :
         {Row{"\"encrypted\": true", "", ""},
          Row{"\"encrypted\": true", volume + share, "/mounts/0"},
          Row{"\"noWritableShare\": true", share, "/mounts/0"},
          Row{"\"unlock\": {\"never\": [\"device-key\"]}", volume, "/volumes/0/unlock/0"},
          Row{"\"tpmThrottle\": true", volume, "/volumes/0"},
          Row{"\"network\": [\"tunnel\"]", "", "/network"},
          Row{"\"syscalls\": {\"never\": [\"execve\"]}", "", "/seccomp/allow/0"},
          Row{"\"syscalls\": {\"never\": [\"@default\"]}", "", "/seccomp/allow/0"},
          Row{"\"devices\": {\"gpu\": [\"none\"]}", ", \"devices\": {\"gpu\": \"render\"}",
              "/devices/gpu"},
          Row{"\"devices\": {\"modem\": [\"none\", \"emergency\"]}",
              ", \"devices\": {\"modem\": [\"emergency\", \"voice\"]}", "/devices/modem"},
          Row{"\"onLock\": \"evict\"", ", \"session\": {\"onLock\": \"suspend\"}",
              "/session/onLock"},
          Row{"\"onLock\": \"evict\"", ", \"session\": {\"onLock\": \"freeze\"}",
              "/session/onLock"},
          Row{"\"onLock\": \"suspend\"", ", \"session\": {\"onLock\": \"freeze\"}",
              "/session/onLock"},
          Row{"\"verity\": true", "", "/root"},
          Row{"\"modes\": [\"alpha\"], \"network\": [\"loopback\"]", "", "/network"},
          Row{"\"onLock\": \"evict\"",
              ", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": \"64MiB\", "
              "\"unlock\": [\"pin\"], \"onLock\": \"suspend\"}]",
              "/volumes/0/onLock"},
          Row{"\"execOnlyFromRoot\": true",
              ", \"mounts\": [{\"type\": \"tmpfs\", \"target\": \"/x\", \"options\": [\"exec\"]}]",
              "/mounts/0"}}) {
        const auto site = "{\"pmos\": 1,\n\"require\": [{" + row.demand + "}]}";
        const auto mode = read_one(profile_text("alpha", 200000, row.extra), {}, site);
        INFO(row.demand << "\n" << texts(mode.diagnostics));
        CHECK(mode.profile == nullptr);
        const auto& d = find_rule(mode.diagnostics, "site-policy");
        CHECK(d.at.pointer == row.pointer);
        REQUIRE(d.related.size() == 1);
        CHECK(d.related[0].file == "site.json");
        CHECK(d.related[0].line == 2);
        CHECK(d.message.find("(site.json:2:") != std::string::npos);
    }
}

TEST_CASE("the site policy: capabilities, other modes, demands that are met") {
    auto text = profile_text("alpha", 200000);
    text.replace(text.find("[\"/bin/true\"]"), 13,
                 "[\"/bin/true\"], \"capabilities\": [\"CAP_NET_RAW\"]");
    const std::string site =
        "{\"pmos\": 1, \"require\": [{\"capabilities\": {\"never\": [\"CAP_NET_RAW\"]}}]}";
    CHECK(has_rule(read_one(text, {}, site).diagnostics, "site-policy"));
    const auto met = profile_text("alpha", 200000);
    for (const std::string good :
         {"{\"capabilities\": {\"never\": [\"CAP_NET_RAW\"]}}",
          "{\"modes\": [\"beta\"], \"network\": [\"tunnel\"]}", "{\"encrypted\": false}",
          "{\"network\": [\"none\"], \"onLock\": \"evict\", \"separateIdRanges\": true}",
          "{\"onLock\": \"suspend\"}", "{\"onLock\": \"freeze\"}"}) {
        const auto mode = read_one(met, {}, "{\"pmos\": 1, \"require\": [" + good + "]}");
        INFO(good << "\n" << texts(mode.diagnostics));
        CHECK(mode.profile != nullptr);
    }
}

TEST_CASE("the site policy: nothing is executed but the image's files") {
    const std::string site = "{\"pmos\": 1, \"require\": [{\"execOnlyFromRoot\": true}]}";
    auto text = profile_text("alpha", 200000);
    CHECK(read_one(text, {}, site).profile != nullptr);
    text.replace(text.find("[\"@default\"]"), 12, "[\"@default\", \"@ipc\"]");
    const auto mode = read_one(text, {}, site);
    CHECK(find_rule(mode.diagnostics, "site-policy").at.pointer == "/seccomp/allow/1");
}

TEST_CASE("the site policy: what two modes may not share") {
    const std::string gpu = ", \"devices\": {\"gpu\": \"render\"}";
    const auto net = [](const std::string& value) {
        return std::pair<std::string, std::string>{"\"network\": \"none\"",
                                                   "\"network\": " + value};
    };
    const auto check = [&](const std::string& demand, const std::string& a, const std::string& b) {
        const std::vector<SourceFile> files{{"a.json", a}, {"b.json", b}};
        const SourceFile site{"site.json", "{\"pmos\": 1, \"require\": [{" + demand + "}]}"};
        std::vector<std::string> broken;
        for (const auto& mode : read_policy(files, &site, Files{}).modes)
            if (has_rule(mode.diagnostics, "site-policy")) {
                const auto& d = find_rule(mode.diagnostics, "site-policy");
                CHECK(mode.profile == nullptr);
                REQUIRE(d.related.size() == 2);
                CHECK(d.related[0].file == "site.json");
                CHECK(d.related[1].file != mode.file);
                broken.push_back(mode.mode + d.at.pointer);
            }
        return broken;
    };
    const auto with_net = [&](const std::string& mode, unsigned start, const std::string& value) {
        auto text = profile_text(mode, start);
        const auto [from, to] = net(value);
        text.replace(text.find(from), from.size(), to);
        return text;
    };
    using Names = std::vector<std::string>;
    const std::string device = "\"noSharedDevice\": true", segment = "\"noSharedSegment\": true";
    const auto a = profile_text("alpha", 200000, gpu), b = profile_text("beta", 400000, gpu);
    CHECK(check(device, a, b) == Names{"alpha/devices/gpu", "beta/devices/gpu"});
    CHECK(check("\"modes\": [\"beta\"], " + device, a, b) == Names{"beta/devices/gpu"});
    CHECK(check(device, a, profile_text("beta", 400000)).empty());
    CHECK(check("\"noSharedDevice\": false", a, b).empty());
    CHECK(check(segment, with_net("alpha", 200000, "\"direct\""),
                with_net("beta", 400000, "{\"direct\": true}")) ==
          Names{"alpha/network", "beta/network"});
    // By name, and by who is at the other end.
    const std::string peer = "/network/tunnel/peers/0/publicKey", name = "/network/tunnel/name";
    CHECK(check(segment, tunnel_text("alpha", 200000, "work"),
                tunnel_text("beta", 400000, "work", "", 3)) ==
          Names{"alpha" + name, "beta" + name});
    CHECK(check(segment, tunnel_text("alpha", 200000, "work"),
                tunnel_text("beta", 400000, "world", "", 3)) ==
          Names{"alpha" + peer, "beta" + peer});
    CHECK(check(segment, tunnel_text("alpha", 200000, "work"),
                tunnel_text("beta", 400000, "home", "", 3))
              .empty());
}

TEST_CASE("many modes that clash are told of in bounded words") {
    std::vector<SourceFile> files;
    for (int i = 0; i < 200; ++i)
        files.push_back({"f" + std::to_string(i) + ".json", profile_text("alpha", 200000)});
    const auto set = read_policy(files, nullptr, Files{});
    REQUIRE(set.modes.size() == 200);
    for (const auto& mode : set.modes) {
        CHECK(mode.profile == nullptr);
        CHECK(has_rule(mode.diagnostics, "duplicate-mode"));
        CHECK(mode.diagnostics.size() < 40);
    }
}

TEST_CASE("a broken site policy disables every mode and says so") {
    const std::vector<SourceFile> files{{"a.json", profile_text("alpha", 200000)}};
    for (const std::string bytes : {"{", "{\"pmos\": 1, \"requires\": []}", "{\"pmos\": 1}",
                                    "{\"pmos\": 1, \"require\": [{\"netwrk\": []}]}"}) {
        const SourceFile site{"site.json", bytes};
        const auto set = read_policy(files, &site, Files{});
        CHECK(has_errors(set.diagnostics));
        CHECK(set.diagnostics[0].at.file == "site.json");
        CHECK(set.modes[0].profile == nullptr);
        CHECK(has_rule(set.modes[0].diagnostics, "site-policy-broken"));
    }
}
