// tests: diff sees every key: each value of two profiles and a site policy that hold all of the
// language is changed to each other value it may have, one at a time.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "policy/diff.h"
#include "policy/diff_parts.h"
#include "policy/language.h"
#include "policy/names.h"
#include "support.h"

namespace pmos::policy::test {
namespace {

using nlohmann::json;

// Between them every key of the language, each with a value that can be changed.
constexpr const char* kFull = R"({
  "$schema": "x", "pmos": 1, "mode": "a", "extends": [],
  "root": {"image": "a.erofs", "verity": {"rootHash":
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", "hashImage": "a.hash"},
    "fallback": {"image": "b.erofs", "verity": {"hashImage": "b.hash", "rootHash":
      "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}}, "readyAfter": "9s"},
  "volumes": [
    {"name": "data", "target": "/data", "size": "64MiB", "source": {"file": "/srv/a.luks"},
     "options": ["noatime"], "unlock": ["pin"], "onLock": "evict",
     "luks": {"cipher": "aes-xts-plain64", "keySize": 512, "sectorSize": 4096,
              "integrity": "none", "discards": "never", "header": "/srv/a.header",
              "pbkdf": {"type": "argon2id", "memoryMax": "64MiB", "timeMs": 500}}},
    {"name": "more", "target": "/more", "source": {"device": "/dev/vdc"},
     "unlock": ["pin", "tpm2"], "tpm2": {"pcrs": [7]},
     "escrow": "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="},
    {"name": "counted", "target": "/counted", "size": "64MiB", "unlock": ["tpm2+pin"],
     "tpm2": {"throttle": true}}],
  "identity": {"uidRange": {"start": 200000, "count": 65536}},
  "process": {"args": ["/bin/a", "b"], "env": ["A=1"], "cwd": "/a",
    "user": {"uid": 5, "gid": 6, "additionalGids": [7], "umask": "027"},
    "capabilities": ["CAP_KILL"],
    "rlimits": {"nofile": 64, "nproc": {"soft": 10, "hard": 20}},
    "hostname": "a", "oomScoreAdj": 10},
  "namespaces": ["user", "mount", "pid", "ipc", "uts", "cgroup", "network", "time"],
  "timeOffsets": {"monotonic": 1, "boottime": 2},
  "mounts": [{"type": "bind", "source": "/srv/music", "target": "/music", "options": ["noatime"]},
             {"type": "tmpfs", "target": "/scratch", "size": "8MiB"}],
  "seccomp": {"allow": ["@default", "ptrace"], "flags": ["SECCOMP_FILTER_FLAG_LOG"],
    "rules": [{"names": ["mkdir"], "action": "errno", "errno": "EACCES"},
              {"names": ["ioctl"], "action": "kill",
               "args": [{"index": 1, "op": "SCMP_CMP_EQ", "value": 21505},
                        {"index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": 7, "valueTwo": 1}]}]},
  "devices": {"gpu": "render", "display": "foreground", "input": "foreground",
    "audio": {"playback": "foreground", "capture": "foreground"}, "camera": "foreground",
    "modem": ["sms"], "gnss": "foreground", "sensors": "foreground", "usb": "foreground",
    "bluetooth": "foreground", "vibrator": "foreground", "torch": "foreground"},
  "display": {"title": "Work", "color": "#b71c1c", "scramblePad": true, "whenLost": "restart", "protocols": ["wl_data_device_manager"]},
  "audio": {"whenTaken": "error"},
  "modem": {"numbers": ["+4930*"], "lines": ["+4915112345678"], "rest": true, "accessPoints": ["intern.example"]},
  "network": {"tunnel": {"name": "wg0", "addresses": ["10.8.0.2/32"], "mtu": 1400, "peers": [
      {"publicKey": "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=",
       "endpoint": "vpn.example.org:51820", "allowedIPs": ["10.0.0.0/8"],
       "persistentKeepalive": 25, "presharedKey": true}]},
              "dns": ["10.0.0.1"], "egress": {"allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"]},
              "inbound": ["tcp/22 from 10.8.0.0/24"],
              "limits": {"send": "1MiB", "receive": "1MiB", "volume": "1GiB"}},
  "resources": {"memory": {"max": "1GiB", "high": "512MiB", "swapMax": "1MiB"},
    "pids": {"max": {"value": 64, "optional": false}}, "cpu": {"max": "50000 100000", "weight": 50},
    "io": {"weight": 50, "max": "8:0 rbps=1"}},
  "session": {"autostart": false, "background": "freeze", "onLock": "evict", "lockAfter": "5min",
              "lockAt": ["background"], "evictAfter": "20h", "eraseAfterFailures": 15,
              "unlockRecent": {"methods": ["fingerprint"], "within": "4h"},
              "notifications": "count", "idleInhibit": "foreground", "stopTimeout": "5s"},
  "hooks": {"preStart": ["one", {"path": "two", "args": ["x"], "timeout": "3s"}]},
  "lsm": {"apparmor": "pmos-mode", "required": false},
  "procSubset": "all",
  "landlock": {"required": false, "execute": ["/usr"]},
  "denials": {"arguments": true, "capabilities": true, "landlock": true}
})";
// What the first has no room for: words in place of lists and objects.
constexpr const char* kWords = R"({
  "pmos": 1, "mode": "a", "root": {"image": "a.erofs"},
  "identity": {"uidRange": {"start": 200000, "count": 65536}},
  "process": {"args": ["/bin/a"], "rlimits": {"nofile": {"soft": 10, "hard": 20}}},
  "seccomp": {"allow": ["@default"]},
  "devices": {"audio": "none", "camera": "background", "display": "foreground"},
  "network": "loopback",
  "namespaces": ["user", "mount", "pid", "ipc", "uts", "cgroup", "network", "time"],
  "resources": {"memory": {"max": {"value": "1GiB", "optional": true}}, "pids": {"max": 64}}
})";
constexpr const char* kDirect = R"({
  "pmos": 1, "mode": "a", "root": {"image": "a.erofs"},
  "identity": {"uidRange": {"start": 200000, "count": 65536}},
  "process": {"args": ["/bin/a"]}, "seccomp": {"allow": ["@default"]},
  "network": {"direct": true},
  "session": {"background": "throttle", "onLock": "evict",
    "throttle": {"cpu": {"weight": 5}, "io": {"weight": 6},
    "memory": {"high": "64MiB"}}}
})";
constexpr const char* kSite = R"({
  "$schema": "x", "pmos": 1,
  "require": [{"modes": ["a"], "production": true, "encrypted": true,
    "unlock": {"never": ["device-key"]}, "tpmThrottle": true, "network": ["none"],
    "notifications": ["off", "count"],
    "capabilities": {"never": ["CAP_SYS_ADMIN"]}, "syscalls": {"never": ["@reboot", "bpf"]},
    "devices": {"gpu": ["none"]}, "onLock": "evict", "verity": true, "noWritableShare": false,
    "execOnlyFromRoot": true, "noSharedDevice": true, "noSharedSegment": true, "separate": true,
    "separateIdRanges": true},
    {"noWritableShare": true}],
  "emergencyNumbers": ["110"],
  "accept": [{"from": "a", "to": "b", "through": "/srv/music", "why": "songs"}]
})";

std::string pattern_of(const Language& language, const std::string& parent,
                       const std::string& key) {
    const std::string own = parent.empty() ? key : parent + "/" + key;
    if (find_key(language, own) != nullptr) return own;
    if (is_limit(parent)) return "resources/*/*/" + key;
    return parent + "/*";
}

struct Leaf {
    std::string pattern;
    json::json_pointer at;
};
void leaves(const Language& language, const json& value, const std::string& pattern,
            const json::json_pointer& at, std::vector<Leaf>& out) {
    if (value.is_object())
        for (const auto& [key, child] : value.items())
            leaves(language, child, pattern_of(language, pattern, key), at / key, out);
    else if (value.is_array())
        for (std::size_t i = 0; i < value.size(); ++i)
            leaves(language, value[i], pattern + "/[]", at / i, out);
    else
        out.push_back({pattern, at});
}

// Values of the format that the full profiles do not have yet.
std::vector<json> of_format(Format format) {
    switch (format) {
        case Format::mode_name:
            return {"other"};
        case Format::word:
            return {"other"};
        case Format::hostname:
            return {"other"};
        case Format::absolute_path:
            return {"/other/path", "/dev/other"};
        case Format::relative_path:
            return {"other"};
        case Format::hook_path:
            return {"/usr/bin/other", "other"};
        case Format::size:
            return {"128MiB"};
        case Format::size_or_max:
            return {"max", "3GiB"};
        case Format::duration:
            return {"7s"};
        case Format::octal:
            return {"077"};
        case Format::env:
            return {"OTHER=1"};
        case Format::mount_option:
            return {"exec", "ro", "rw", "nosymfollow"};
        case Format::capability:
            return {"CAP_CHOWN"};
        case Format::rlimit_value:
            return {"unlimited", 15};
        case Format::errno_name:
            return {"ENOENT"};
        case Format::syscall:
            return {"mount"};
        case Format::syscall_or_group:
            return {"@mount", "mount"};
        case Format::root_hash:
            return {"ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"};
        case Format::x25519_key:
            return {"B7sPvuD6AFrKzdqqEO8jxxoPQRHWcUfJYlk9tJ5pI3k="};
        case Format::ip_prefix:
            return {"10.0.0.0/9"};
        case Format::ip_interface:
            return {"10.9.0.2/32"};
        case Format::destination:
            return {"tcp/443 to 10.2.0.0/16", "192.0.2.0/24"};
        case Format::flow_source:
            return {"tcp/23 from 10.9.0.0/24"};
        case Format::dns_server:
            return {"10.0.0.2"};
        case Format::endpoint:
            return {"192.0.2.1:51820"};
        case Format::cpu_max:
            return {"1000 100000"};
        case Format::color:
            return {"#0a0b0c"};
        case Format::title:
            return {"Other"};
        case Format::line_name:
            return {"other"};
        case Format::access_point:
            return {"other.example"};
        case Format::number_rule:
            return {"+1555"};
        case Format::emergency_number:
            return {"119"};
        case Format::free:
            return {"other"};
    }
    return {};
}

std::vector<json> others(const KeySpec& spec, const json& value) {
    std::vector<json> out;
    if (value.is_boolean()) out.push_back(!value.get<bool>());
    if (value.is_number_integer())
        for (const std::int64_t n : {value.get<std::int64_t>() + 1, value.get<std::int64_t>() - 1,
                                     std::int64_t{256}, std::int64_t{512}, std::int64_t{0}})
            out.push_back(n);
    if (value.is_string() && !spec.values.empty())
        for (const auto word : split_list(spec.values)) out.push_back(std::string(word));
    if (value.is_string() && spec.values.empty()) out = of_format(spec.format);
    if (spec.path == "require/[]/devices/*/[]") out = {"render", "full"};
    std::erase(out, value);
    return out;
}

// Each leaf changed and each leaf left out.
struct Mutant {
    std::string pattern, words;
    json document;
};
std::vector<Mutant> mutants(const Language& language, const json& document) {
    std::vector<Leaf> found;
    leaves(language, document, "", json::json_pointer(), found);
    std::vector<Mutant> out;
    for (const auto& leaf : found) {
        const KeySpec* spec = find_key(language, leaf.pattern);
        INFO(leaf.pattern);
        REQUIRE(spec != nullptr);
        for (const auto& value : others(*spec, document.at(leaf.at))) {
            json changed = document;
            changed[leaf.at] = value;
            out.push_back({leaf.pattern, leaf.at.to_string() + " = " + value.dump(), changed});
        }
        json changed = document;
        json& parent = changed[leaf.at.parent_pointer()];
        if (parent.is_array())
            parent.erase(std::stoul(leaf.at.back()));
        else
            parent.erase(leaf.at.back());
        out.push_back({leaf.pattern, leaf.at.to_string() + " left out", changed});
    }
    return out;
}

PolicySet read(const json& profile, const json& site = nullptr) {
    const std::vector<SourceFile> files{{"a.json", profile.dump(1)}};
    const SourceFile site_file{"site.json", site.is_null() ? "" : site.dump(1)};
    return read_policy(files, site.is_null() ? nullptr : &site_file, {});
}

// The other way round: the same kinds and things, gains for losses, and the places changed over.
bool is_mirror(const std::vector<Change>& there, const std::vector<Change>& back) {
    if (there.size() != back.size()) return false;
    std::vector<bool> used(back.size());
    return std::ranges::all_of(there, [&](const Change& x) {
        for (std::size_t i = 0; i < back.size(); ++i) {
            const Change& y = back[i];
            if (!used[i] && x.kind == y.kind && x.mode == y.mode && x.what == y.what &&
                x.turn == opposite(y.turn) && to_text(x.a) == to_text(y.b) &&
                to_text(x.b) == to_text(y.a))
                return static_cast<bool>(used[i] = true);
        }
        return false;
    });
}

// Whether the change is one of what is meant, and not only of what follows from it.
bool sees(const PolicySet& a, const PolicySet& b) {
    const auto there = diff(diff_side(a), diff_side(b));
    CHECK(is_mirror(there, diff(diff_side(b), diff_side(a))));
    return std::ranges::any_of(there, [](const Change& c) {
        return c.kind != ChangeKind::exposure && c.kind != ChangeKind::start;
    });
}

// Values that mean what was there before, each with its reason.
bool means_the_same(const std::string& words) {
    static const std::set<std::string> kSame{
        // As a default has it.
        "/process/hostname left out",
        "/devices/audio left out",
        "/session/autostart left out",
        "/session/background left out",
        "/session/onLock left out",
        "/session/stopTimeout left out",
        "/lsm/apparmor left out",
        "/lsm/required left out",
        "/procSubset left out",
        "/landlock/required left out",
        "/volumes/0/onLock left out",
        "/volumes/0/luks/cipher left out",
        "/volumes/0/luks/keySize left out",
        "/volumes/0/luks/sectorSize left out",
        "/volumes/0/luks/integrity left out",
        "/volumes/0/luks/discards left out",
        "/volumes/0/luks/pbkdf/type left out",
        "/resources/pids/max/optional left out",
        // For editors.
        "/$schema = \"other\"",
        "/$schema left out",
        // @default is a part of every filter.
        "/seccomp/allow/0 left out",
        // False asks for nothing.
        "/require/0/noWritableShare left out",
        // encrypted demands it as well; the second demand has it of every mode.
        "/require/0/noWritableShare = true",
    };
    return kSame.contains(words);
}

struct Tally {
    std::set<std::string> patterns;
    std::vector<std::string> blind;  // sound changes that were not seen
};

void walk_profile(const char* text, Tally& tally) {
    const json document = json::parse(text);
    const PolicySet before = read(document);
    INFO(texts(before.modes[0].diagnostics));
    REQUIRE((before.modes[0].profile || before.modes[0].disputed));
    REQUIRE(diff(diff_side(before), diff_side(before)).empty());
    for (const auto& mutant : mutants(profile_language(), document)) {
        const PolicySet after = read(mutant.document);
        if (!after.modes[0].profile && !after.modes[0].disputed) continue;
        INFO(mutant.words);
        if (sees(before, after))
            tally.patterns.insert(mutant.pattern);
        else if (!means_the_same(mutant.words))
            tally.blind.push_back(mutant.pattern + ": " + mutant.words);
    }
}

bool is_leaf(const KeySpec& spec) {
    return (spec.types & (type_string | type_integer | type_boolean)) != 0;
}

}  // namespace

TEST_CASE("diff sees every key of a profile change", "[diff]") {
    Tally tally;
    for (const char* text : {kFull, kWords, kDirect}) walk_profile(text, tally);
    CHECK(tally.blind == std::vector<std::string>{});
    std::vector<std::string> missed;
    for (const auto& spec : profile_language().keys) {
        // For editors; one value, twice; merged before; below, for it cannot change alone.
        constexpr std::string_view kNothing[] = {"$schema",
                                                 "pmos",
                                                 "devices/audio",
                                                 "devices/modem",
                                                 "extends/[]",
                                                 "mounts/[]/type",
                                                 "session/unlockRecent/methods/[]",
                                                 "network/direct"};
        if (!is_leaf(spec) || std::ranges::find(kNothing, spec.path) != std::end(kNothing))
            continue;
        // The limits share two rows.
        if (!tally.patterns.contains(std::string(spec.path))) missed.emplace_back(spec.path);
    }
    CHECK(missed == std::vector<std::string>{});
}

TEST_CASE("diff sees a directory of the host in place of memory", "[diff]") {
    json bind = json::parse(kWords), memory = bind;
    bind["mounts"] = {{{"type", "bind"}, {"source", "/srv/music"}, {"target", "/in"}}};
    memory["mounts"] = {{{"type", "tmpfs"}, {"target", "/in"}}};
    CHECK(sees(read(bind), read(memory)));
    CHECK(sees(read(memory), read(bind)));
}

TEST_CASE("diff sees every key of the site policy change", "[diff]") {
    const json site = json::parse(kSite), profile = json::parse(kFull);
    const PolicySet before = read(profile, site);
    INFO(texts(before.diagnostics));
    REQUIRE(before.diagnostics.empty());
    Tally tally;
    for (const auto& mutant : mutants(site_language(), site)) {
        const PolicySet after = read(profile, mutant.document);
        if (has_errors(after.diagnostics)) continue;
        INFO(mutant.words);
        if (sees(before, after))
            tally.patterns.insert(mutant.pattern);
        else if (!means_the_same(mutant.words))
            tally.blind.push_back(mutant.pattern + ": " + mutant.words);
    }
    CHECK(tally.blind == std::vector<std::string>{});
    std::vector<std::string> missed;
    for (const auto& spec : site_language().keys)
        if (is_leaf(spec) && spec.path != "$schema" && spec.path != "pmos" &&
            !tally.patterns.contains(std::string(spec.path)))
            missed.emplace_back(spec.path);
    CHECK(missed == std::vector<std::string>{});
}

TEST_CASE("the list of keys with words of their own is one of the language's", "[diff]") {
    for (const auto key : compared_keys()) {
        INFO(key);
        CHECK((key == "resources/*/*" || find_key(profile_language(), key) != nullptr));
    }
}

}  // namespace pmos::policy::test
