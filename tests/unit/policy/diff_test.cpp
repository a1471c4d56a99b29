// tests: what diff says: who gains or loses what, how dangerous, and where.
#include "policy/diff.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <random>

#include "policy/names.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

PolicySet set_of(const std::vector<SourceFile>& files, const std::string& site = "") {
    const SourceFile owner{"site.json", site};
    return read_policy(files, site.empty() ? nullptr : &owner, {});
}
PolicySet one(const std::string& extra) {
    return set_of({{"a.json", profile_text("a", 200000, extra)}});
}

std::vector<Change> diff_of(const PolicySet& a, const PolicySet& b) {
    return diff(diff_side(a), diff_side(b));
}
std::vector<Change> diff_of(const std::string& a, const std::string& b) {
    return diff_of(one(a), one(b));
}

// "severe gain capability: words", one a line, without the score.
std::string lines(const std::vector<Change>& changes) {
    std::string out;
    for (const auto& c : changes)
        if (c.kind != ChangeKind::exposure)
            out += std::string(word_at(kDangerNames, c.danger)) + " " +
                   std::string(word_at(kTurnNames, c.turn)) + " " +
                   std::string(word_at(kChangeKindNames, c.kind)) + ": " + c.words + "\n";
    return out;
}
std::string lines(const std::string& a, const std::string& b) { return lines(diff_of(a, b)); }

std::string rule(const std::string& names, const std::string& action, const std::string& args) {
    return R"({"names": [)" + names + R"(], "action": ")" + action + R"(", "args": [)" + args +
           "]}";
}
std::string rules(const std::string& list) {
    return R"(, "seccomp": {"allow": ["@default"], "rules": [)" + list + "]}";
}
// A profile whose filter is given, for profile_text() has one of its own.
std::vector<Change> diff_calls(const std::string& a, const std::string& b) {
    const auto read = [](const std::string& seccomp) {
        return set_of({{"a.json",
                        R"({"pmos": 1, "mode": "a", "root": {"image": "a.erofs"},
                            "identity": {"uidRange": {"start": 200000, "count": 65536}},
                            "process": {"args": ["/bin/true"]}, "network": "none")" +
                            seccomp + "}"}});
    };
    const auto x = read(a), y = read(b);
    INFO(texts(x.modes[0].diagnostics) << texts(y.modes[0].diagnostics));
    REQUIRE(x.modes[0].profile);
    REQUIRE(y.modes[0].profile);
    return diff_of(x, y);
}
std::string masked(unsigned index, std::uint64_t mask, std::uint64_t value) {
    return R"({"index": )" + std::to_string(index) + R"(, "op": "SCMP_CMP_MASKED_EQ", "value": )" +
           std::to_string(mask) + R"(, "valueTwo": )" + std::to_string(value) + "}";
}
std::string compared(unsigned index, const std::string& op, std::uint64_t value) {
    return R"({"index": )" + std::to_string(index) + R"(, "op": "SCMP_CMP_)" + op +
           R"(", "value": )" + std::to_string(value) + "}";
}

}  // namespace

TEST_CASE("the names of changes are as many as the changes", "[diff]") {
    CHECK(split_list(kChangeKindNames).size() == static_cast<std::size_t>(ChangeKind::other) + 1);
    CHECK(split_list(kTurnNames).size() == static_cast<std::size_t>(Turn::change) + 1);
    CHECK(split_list(kDangerNames).size() == static_cast<std::size_t>(Danger::severe) + 1);
}

TEST_CASE("a policy does not differ from itself", "[diff]") {
    const auto shipped = shipped_policy();
    CHECK(lines(diff_of(shipped, shipped)).empty());
}

TEST_CASE("what is written in another way is no change", "[diff]") {
    // Another order, another unit, a default spelled out, a group by its members, a hook by its
    // whole path, a rule in two, an option that always holds.
    const std::string a = R"(, "session": {"stopTimeout": "5s"}, "devices": {"gpu": "render"},
        "resources": {"memory": {"max": "1GiB"}}, "hooks": {"preStart": ["x"]},
        "mounts": [{"type": "bind", "source": "/srv/m", "target": "/m"}])";
    const std::string b = R"(, "resources": {"memory": {"max": 1073741824}},
        "mounts": [{"type": "bind", "source": "/srv/m", "target": "/m",
                    "options": ["ro", "noexec", "nodev", "nosuid"]}],
        "devices": {"camera": "none", "gpu": "render"},
        "hooks": {"preStart": [{"path": "/usr/share/pmos/hooks/x", "timeout": "10000ms"}]},
        "session": {"stopTimeout": "5000ms", "background": "freeze"}, "timeOffsets": {})";
    CHECK(lines(a, b) ==
          "none loss namespace: a does not start where the kernel has no time namespaces\n");
    const auto two = rules(rule("\"mkdir\", \"rmdir\"", "errno", ""));
    const auto apart = rules(rule("\"rmdir\"", "errno", "") + "," + rule("\"mkdir\"", "errno", ""));
    CHECK(lines(diff_calls(two, apart)).empty());
    CHECK(lines(diff_calls(R"(, "seccomp": {"allow": ["@keyring"]})",
                           R"(, "seccomp": {"allow": ["keyctl", "add_key", "request_key"]})"))
              .empty());
    // A rule that nothing reaches.
    CHECK(lines(diff_calls(two, rules(rule("\"mkdir\", \"rmdir\"", "errno", "") + "," +
                                      rule("\"mkdir\"", "kill", ""))))
              .empty());
}

TEST_CASE("gains are told by their danger, with both places", "[diff]") {
    const auto found = diff_of(R"(, "devices": {"torch": "none"})",
                               R"(, "devices": {"torch": "foreground",
"audio": {"capture": "background"}}, "lsm": {"apparmor": "unconfined"})");
    CHECK(lines(found) ==
          "severe gain confinement: a's AppArmor profile is 'unconfined' instead of 'pmos-mode'\n"
          "serious gain device: a gains the microphone in the background\n"
          "slight gain device: a gains the torch in the foreground\n"
          "none change process: a's variable PIPEWIRE_RUNTIME_DIR is '/run/pmos/audio' instead of "
          "not set\n");
    CHECK(to_text(found[2].a) == "a.json:8:41");
    CHECK(found[1].b.pointer == "/devices/audio/capture");
    CHECK(to_text(found[1].b) == "a.json:9:22");
    CHECK(found[1].what == "audio/capture");
}

TEST_CASE("the other way round gains are losses", "[diff]") {
    CHECK(lines(R"(, "devices": {"audio": {"capture": "background"}})", "") ==
          "none loss device: a loses the microphone in the background\n"
          "none change process: a's variable PIPEWIRE_RUNTIME_DIR is not set instead of "
          "'/run/pmos/audio'\n");
    CHECK(lines(R"(, "devices": {"camera": "background"})",
                R"(, "devices": {"camera": "foreground"})") ==
          "none loss device: a has the cameras in the foreground instead of in the background\n");
}

TEST_CASE("a system call is told by what the filter says", "[diff]") {
    const std::string none = R"(, "seccomp": {"allow": ["@default"]})";
    CHECK(lines(diff_calls(none, R"(, "seccomp": {"allow": ["@default", "ptrace"]})")) ==
          "severe gain system-call: a may make the system call: ptrace\n");
    const auto keys = diff_calls(none, R"(, "seccomp": {"allow": ["@default", "@keyring"]})");
    CHECK(lines(keys) ==
          "severe gain system-call: a may make 3 more system calls: add_key, keyctl, request_key\n"
          "serious gain kernel: a may read, write the kernel's 'keyring' (keyctl), which no "
          "namespace covers\n");
    CHECK(keys[0].items == std::vector<std::string>{"add_key", "keyctl", "request_key"});
    CHECK(keys[0].b.pointer == "/seccomp/allow/1");
    CHECK(lines(diff_calls(none, rules(rule("\"mkdir\"", "kill", "")))) ==
          "none loss system-call: a: the system call mkdir gives kill instead of EPERM\n");
}

TEST_CASE("a call that only one argument opens is told with it", "[diff]") {
    const std::string none = R"(, "seccomp": {"allow": ["@default", "socket"]})";
    const std::string open = R"(, "seccomp": {"allow": ["@default", "socket"], "rules": [)" +
                             rule("\"socket\"", "allow", masked(0, 0xffffffff, 40)) + "]}";
    CHECK(lines(diff_calls(none, open))
              .starts_with("severe gain system-call: a: the system call socket gives allow instead "
                           "of EAFNOSUPPORT where argument 0 & 0xffffffff == 0x28\n"));
}

TEST_CASE("each way to test an argument is told apart from its neighbours", "[diff]") {
    const auto differ = [](const std::string& x, const std::string& y) {
        return !diff_calls(rules(rule("\"mkdir\"", "allow", x)),
                           rules(rule("\"mkdir\"", "allow", y)))
                    .empty();
    };
    for (const std::string op : {"EQ", "NE", "LT", "LE", "GT", "GE"}) {
        INFO(op);
        CHECK(differ(compared(0, op, 5), compared(0, op, 6)));
        CHECK(differ(compared(0, op, 5), compared(1, op, 5)));
        CHECK(!differ(compared(0, op, 5), compared(0, op, 5)));
    }
    CHECK(!differ(compared(0, "LT", 6), compared(0, "LE", 5)));
    CHECK(!differ(compared(0, "GT", 4), compared(0, "GE", 5)));
    CHECK(differ(masked(0, 1, 1), masked(0, 3, 1)));
    CHECK(differ(masked(0, 3, 1), masked(0, 7, 1)));
    CHECK(differ(masked(2, 0xffffffff, 1), masked(2, UINT64_MAX, 1)));
    CHECK(!differ(masked(0, 1, 1), masked(0, 1, 3)));  // bits beyond the mask say nothing
    // A bound and a mask of one argument: 97 is the only value between that has the low bits.
    const auto low = masked(0, 7, 1);
    CHECK(differ(low + "," + compared(0, "LT", 90), low + "," + compared(0, "LT", 100)));
    CHECK(!differ(low + "," + compared(0, "LT", 99), low + "," + compared(0, "LT", 100)));
}

TEST_CASE("what only several tests together let through is told", "[diff]") {
    const auto three = [](std::uint64_t value) {
        return masked(0, UINT32_MAX, value) + "," + masked(1, UINT32_MAX, value) + "," +
               masked(2, UINT32_MAX, value);
    };
    const auto moved = lines(diff_calls(rules(rule("\"mkdir\"", "kill", three(7))),
                                        rules(rule("\"mkdir\"", "kill", three(3)))));
    CHECK(
        moved.starts_with("slight gain system-call: a: the system call mkdir gives EPERM instead "
                          "of kill where argument 0 & 0xffffffff == 0x7 and"));
    CHECK(moved.find("none loss system-call: a: the system call mkdir gives kill instead of EPERM "
                     "where argument 0 & 0xffffffff == 0x3 and") != std::string::npos);
    std::string bits;
    for (const unsigned bit : {1U, 4U, 16U}) bits += masked(0, bit, bit) + ",";
    for (const unsigned bit : {2U, 8U, 32U}) bits += masked(0, bit, 0) + (bit == 32U ? "" : ",");
    CHECK(lines(diff_calls(rules(""), rules(rule("\"mkdir\"", "kill", bits))))
              .starts_with("none loss system-call: a: the system call mkdir gives kill"));
}

TEST_CASE("filters that are beyond comparing are not taken for the same", "[diff]") {
    // Whether some pattern of 60 bits has none of many others: satisfiability at its hardest.
    std::string list;
    std::mt19937_64 random(1);
    for (int i = 0; i < 255; ++i) {
        const std::uint64_t mask = std::uint64_t{1} << (random() % 60) |
                                   std::uint64_t{1} << (random() % 60) |
                                   std::uint64_t{1} << (random() % 60);
        list += rule("\"mkdir\"", "errno", masked(0, mask, random() & mask)) + ",";
    }
    const auto last = [&](const std::string& action) {
        return rules(list + rule("\"mkdir\"", action, ""));
    };
    const auto found = diff_calls(last("kill"), last("allow"));
    REQUIRE(has_unreadable(found));
    CHECK(
        lines(found).starts_with("severe change unreadable: a: the rules for the system call "
                                 "mkdir differ"));
}

TEST_CASE("a volume that is kept less well is told", "[diff]") {
    const auto volume = [](const std::string& more) {
        return R"(, "volumes": [{"name": "data", "target": "/data", "size": "64MiB")" + more + "}]";
    };
    CHECK(lines(volume(R"(, "unlock": ["pin"])"),
                volume(R"(, "unlock": ["device-key"], "onLock": "suspend",
                          "luks": {"pbkdf": {"type": "pbkdf2", "timeMs": 500}})")) ==
          "severe gain unlock: a's volume 'data' can be opened by 'device-key', with nobody there\n"
          "serious gain encryption: a's volume 'data' has its key derived by pbkdf2 instead of "
          "argon2id: a guess costs no memory\n"
          "serious gain encryption: a's volume 'data' lets a guess take 500ms instead of 1s\n"
          "serious gain lock: a's volume 'data' stays mounted, without its key, on lock\n"
          "none loss unlock: a's volume 'data' can no longer be opened by 'pin'\n");
}

TEST_CASE("a lock that keeps more in memory is a gain, one that keeps less a loss", "[diff]") {
    const auto lock = [](const std::string& strength, const std::string& more = "") {
        return R"(, "volumes": [{"name": "data", "target": "/data", "size": "64MiB",)"
               R"( "unlock": ["pin"], "onLock": ")" +
               strength + R"("}], "session": {"onLock": ")" + strength + "\"" + more + "}";
    };
    CHECK(lines(lock("suspend"), lock("freeze")) ==
          "serious gain lock: a's volume 'data' stays open on lock, its key in memory\n"
          "serious gain lock: lock freezes a and leaves everything in memory, the keys of its "
          "volumes too\n");
    CHECK(lines(lock("freeze"), lock("suspend")) ==
          "none loss lock: a's volume 'data' stays mounted, without its key, on lock\n"
          "none loss lock: lock freezes a and keeps what its processes hold in memory\n");
    CHECK(lines(lock("freeze"), lock("evict")) ==
          "none loss lock: a's volume 'data' is closed on lock\n"
          "none loss lock: lock stops a and closes its volumes\n");
    const auto finger = [&](const std::string& within) {
        return lock("freeze", R"(, "unlockRecent": {"methods": ["fingerprint"], "within": ")" +
                                  within + "\"}");
    };
    CHECK(lines(lock("freeze"), finger("4h")) ==
          "serious gain unlock: a fingerprint lets a go on within 4h of its secret, instead of "
          "never\n");
    CHECK(lines(finger("4h"), finger("30min")) ==
          "none loss unlock: a fingerprint lets a go on within 30min of its secret, instead of "
          "within 4h of its secret\n");
}

TEST_CASE("another way into a volume is told, and who else gets one", "[diff]") {
    const auto volume = [](const std::string& more) {
        return R"(, "volumes": [{"name": "data", "target": "/data", "size": "64MiB", "unlock": [)" +
               more + "}]";
    };
    const std::string plain = volume(R"("pin"])"), held = volume(
                                                       R"("pin", "recovery-key"],
                          "escrow": "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=")");
    CHECK(lines(plain, held) ==
          "severe gain unlock: a's volume 'data' can be opened by who holds the key to "
          "'hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo='\n"
          "serious gain unlock: a's volume 'data' can be opened by 'recovery-key'\n");
    CHECK(lines(held, plain) ==
          "none loss unlock: a's volume 'data' can no longer be opened by 'recovery-key'\n"
          "none loss unlock: a's volume 'data' gives nobody else a way any more, as "
          "'hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo='\n");
}

TEST_CASE("what a TPM has to find as it was is told", "[diff]") {
    const auto volume = [](const std::string& pcrs) {
        return R"(, "volumes": [{"name": "data", "target": "/data", "size": "64MiB",
                   "unlock": ["tpm2"], "tpm2": {"pcrs": )" +
               pcrs + "}}]";
    };
    CHECK(lines(volume("[7, 0]"), volume("[]")) ==
          "serious gain unlock: a's volume 'data' is given out by the TPM whatever was booted "
          "instead of while PCR 0, 7 is as it was, once it is enrolled anew\n");
    CHECK(lines(volume("[7]"), volume("[0]")).starts_with("serious change unlock: "));
    CHECK(lines(volume("[7]"), volume("[7, 7]")).empty());
    const auto counted = [](const std::string& more) {
        return R"(, "volumes": [{"name": "data", "target": "/data", "size": "64MiB",
                   "unlock": ["tpm2+pin"])" +
               more + "}]";
    };
    const std::string throttle = R"(, "tpm2": {"throttle": true})";
    CHECK(lines(counted(throttle), counted("")) ==
          "severe gain unlock: a's volume 'data' may open by a PIN whose wrong tries the TPM does "
          "not count\n");
    CHECK(lines(counted(""), counted(throttle)) ==
          "none loss unlock: a's volume 'data' opens by no PIN but one whose wrong tries the TPM "
          "counts\n");
}

TEST_CASE("that wrong PINs erase a mode is told", "[diff]") {
    const auto after = [](const std::string& n) {
        return R"(, "session": {"eraseAfterFailures": )" + n + "}";
    };
    CHECK(lines("", after("12")) ==
          "serious change lock: a is erased after wrong PINs: 12 instead of never\n");
    CHECK(lines(after("12"), after("20")) ==
          "serious change lock: a is erased after wrong PINs: 20 instead of 12\n");
}

TEST_CASE("what a mode gets in the background", "[diff]") {
    const auto behind = [](const std::string& life) {
        return ", \"session\": {\"background\": " + life + "}";
    };
    const std::string least = R"("throttle", "throttle": {"cpu": {"weight": 1}})";
    CHECK(lines(behind(least), behind("\"throttle\"")) ==
          "slight gain limit: a's limit cpu.weight in the background is 10, where the kernel can "
          "instead of 1\n");
    CHECK(
        lines(behind("\"freeze\""), behind("\"throttle\""))
            .starts_with(
                "moderate gain session: a is for the background 'throttle' instead of 'freeze'\n"));
    CHECK(lines(behind("\"run\""), behind("\"throttle\""))
              .starts_with(
                  "none loss session: a is for the background 'throttle' instead of 'run'\n"));
}

TEST_CASE("calls that become calls for help only", "[diff]") {
    const auto modem = [](const std::string& services) {
        return std::vector{SourceFile{
            "a.json", profile_text("a", 200000, R"(, "devices": {"modem": )" + services + "}")}};
    };
    const auto all = modem(R"(["sms", "voice"])"), help = modem(R"(["emergency"])");
    CHECK(lines(diff_of(set_of(all), set_of(help))) ==
          "none loss device: a loses text messages by the broker\n"
          "none loss device: a loses calls by the broker\n");
    CHECK(lines(diff_of(set_of(help), set_of(all)))
              .starts_with("serious gain device: a gains text messages by the broker\n"
                           "serious gain device: a gains calls by the broker\n"));
    CHECK(lines(diff_of(set_of(modem("\"none\"")), set_of(help)))
              .starts_with("slight gain device: a gains emergency calls by the broker\n"));
}

TEST_CASE("a limit that is raised, lowered, dropped", "[diff]") {
    const auto limit = [](const std::string& value) {
        return R"(, "resources": {"memory": {"max": )" + value + "}}";
    };
    CHECK(lines(limit("\"1GiB\""), limit("\"2GiB\"")) ==
          "slight gain limit: a's limit memory.max is 2GiB instead of 1GiB\n");
    CHECK(lines(limit("\"1GiB\""), limit("\"1MiB\"")) ==
          "none loss limit: a's limit memory.max is 1MiB instead of 1GiB\n");
    CHECK(lines(limit("\"1GiB\""), "") ==
          "moderate gain limit: a's limit memory.max is not bounded instead of 1GiB\n");
    CHECK(lines(limit("\"max\""), "").empty());
}

TEST_CASE("a mode that comes brings all that it may", "[diff]") {
    const SourceFile a{"a.json", profile_text("a", 200000)};
    const SourceFile b{"b.json", profile_text("b", 300000, R"(, "devices": {"camera": "background"},
        "mounts": [{"type": "bind", "source": "/srv/m", "target": "/m", "options": ["rw"]}])")};
    const auto before = set_of({a}), after = set_of({a, b});
    const auto found = diff_of(before, after);
    CHECK(lines(found).starts_with(
        "serious gain device: b gains the cameras in the background\n"
        "serious gain write: b may read and write the host's '/srv/m' (at '/m')\n"
        "serious gain mode: the mode b is new (exposure "));
    for (const auto& c : found) {
        INFO(c.words);
        CHECK(c.mode == "b");
        CHECK(c.a.file.empty());
        CHECK(!c.b.file.empty());
    }
    const auto back = lines(diff_of(after, before));
    CHECK(back.find("b loses the cameras") != std::string::npos);
    CHECK(back.find("the mode b is gone") != std::string::npos);
    CHECK(back.find("gain") == std::string::npos);
}

TEST_CASE("a flow that opens is the worst of changes", "[diff]") {
    const auto with = [](const std::string& options) {
        const auto share = R"(, "mounts": [{"type": "bind", "source": "/srv/m", "target": "/m",
            "options": [)" +
                           options + "]}]";
        return set_of({{"a.json", profile_text("a", 200000, share)},
                       {"b.json", profile_text("b", 300000, share)}});
    };
    const auto found = lines(diff_of(with(""), with("\"rw\"")));
    INFO(found);
    CHECK(found.find("may write the host's '/srv/m'") != std::string::npos);
    // Both are refused for it, and still compared.
    CHECK(found.find("none loss start: a is refused: '/srv/m' is shared and writable") !=
          std::string::npos);
    const auto camera = [](const std::string& right) {
        const auto device =
            R"(, "devices": {"camera": ")" + right + R"("}, "session": {"background": "run"})";
        return set_of(
            {{"a.json", profile_text("a", 200000, device)},
             {"b.json", profile_text("b", 300000, R"(, "devices": {"camera": "background"},
                           "session": {"background": "run"})")}});
    };
    const auto flows = lines(diff_of(camera("none"), camera("background")));
    CHECK(flows.starts_with(
        "severe gain flow: a hears b through device 'camera': nobody stands between\n"
        "severe gain flow: b hears a through device 'camera': nobody stands "
        "between\n"));
}

TEST_CASE("a demand of the owner that is dropped is told by mode and line", "[diff]") {
    const std::vector<SourceFile> files{{"a.json", profile_text("a", 200000)}};
    const auto site = [&](const std::string& require) {
        return set_of(files, R"({"pmos": 1, "require": [)" + require + "]}");
    };
    const auto found =
        diff_of(site(R"({"modes": ["a"], "capabilities": {"never": ["CAP_CHOWN", "CAP_KILL"]}})"),
                site(R"({"capabilities": {"never": ["CAP_KILL"]}})"));
    CHECK(lines(found) ==
          "serious gain demand: the owner no longer demands of a: none of these capabilities: "
          "CAP_CHOWN\n"
          "none loss demand: the owner now demands of every mode: none of these capabilities: "
          "CAP_KILL\n");
    CHECK(found[0].a.pointer == "/require/0/capabilities/never/0");
    // A service more of the modem's is a demand less.
    CHECK(lines(diff_of(site(R"({"devices": {"modem": ["none", "emergency"]}})"),
                        site(R"({"devices": {"modem": ["none", "emergency", "voice"]}})")))
              .find("gain demand: the owner no longer demands of every mode: ") !=
          std::string::npos);
    // Two demands that say the same as one.
    CHECK(
        lines(
            diff_of(
                site(R"({"modes": ["a", "b"], "verity": false, "separate": true})"),
                site(R"({"modes": ["b"], "separate": true}, {"modes": ["a"], "separate": true})")))
            .empty());
    CHECK(lines(diff_of(set_of(files), site(R"({"network": ["none", "loopback", "tunnel"]})"))) ==
          "none loss demand: the owner now demands of every mode: no network of these: direct\n");
}

TEST_CASE("what cannot be read is said to be so, and nothing is guessed", "[diff]") {
    const auto good =
        set_of({{"a.json", profile_text("a", 200000, R"(, "devices": {"gpu": "render"})")},
                {"b.json", profile_text("b", 300000, R"(, "devices": {"gpu": "render"})")}});
    const auto broken =
        set_of({{"a.json", "{\"pmos\": 1, \"mode\": \"a\"}"},
                {"b.json", profile_text("b", 300000, R"(, "devices": {"gpu": "render"})")}});
    const auto found = diff_of(good, broken);
    REQUIRE(found.size() == 1);
    CHECK(found[0].kind == ChangeKind::unreadable);
    CHECK(found[0].mode == "a");
    CHECK(found[0].words.starts_with("a cannot be compared: "));
    CHECK(has_unreadable(found));
    CHECK(has_unreadable(diff_of(broken, good)));
    CHECK(has_unreadable(diff_of(broken, broken)));
    const std::vector<SourceFile> files{{"a.json", profile_text("a", 200000)}};
    const auto demands = set_of(files, R"({"pmos": 1, "require": [{"separate": true}]})");
    const auto site = diff_of(demands, set_of(files, "{"));
    CHECK(has_unreadable(site));
    CHECK(std::ranges::none_of(site, [](const Change& c) { return c.kind == ChangeKind::demand; }));
    const auto twice =
        set_of({{"a.json", profile_text("a", 200000)}, {"c.json", profile_text("a", 300000)}});
    CHECK(lines(diff_of(set_of(files), twice)).find("two profiles have its name") !=
          std::string::npos);
}

TEST_CASE("fifty profiles are compared in a time that does not explode", "[diff][speed]") {
    std::vector<SourceFile> before, after;
    const auto text = read_file(source_path("profiles/secure.json"));
    for (unsigned i = 0; i < 50; ++i) {
        auto mode = text;
        const auto put = [&](const std::string& from, const std::string& to) {
            for (auto at = mode.find(from); at != std::string::npos;
                 at = mode.find(from, at + to.size()))
                mode.replace(at, from.size(), to);
        };
        put("\"secure\"", "\"m" + std::to_string(i) + "\"");
        put("secure.erofs", "m" + std::to_string(i) + ".erofs");
        put("300000", std::to_string(300000 + i * 65536));
        before.push_back({"m" + std::to_string(i) + ".json", mode});
        put("\"network\": \"none\"", "\"network\": \"loopback\"");
        after.push_back({"m" + std::to_string(i) + ".json", mode});
    }
    const auto a = read_policy(before, nullptr, read_shipped_block);
    const auto b = read_policy(after, nullptr, read_shipped_block);
    const auto begin = std::chrono::steady_clock::now();
    const auto found = diff_of(a, b);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    WARN("50 profiles: " << took.count() << " s, " << found.size() << " changes");
    CHECK(std::ranges::count(found, ChangeKind::network, &Change::kind) == 50);
    CHECK(took.count() < 30);  // under the sanitizers
}
