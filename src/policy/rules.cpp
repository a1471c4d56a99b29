// policy: the one table of rules. `policy rules`, `explain-rule`, SARIF and the manual read it.
#include "policy/rules.h"

#include <algorithm>
#include <array>

namespace pmos::policy {
namespace {

constexpr Severity kError = Severity::error, kWarning = Severity::warning, kNote = Severity::note;

constexpr std::array kRules{
    RuleInfo{Rule::syntax, "syntax", kError, "not JSON",
             "A profile is JSON with // and /* */ comments: no trailing commas, no single quotes.",
             R"("network" "none")"},
    RuleInfo{Rule::invalid_utf8, "invalid-utf8", kError, "bytes that are not UTF-8",
             "Names that look alike and are not would hide what a profile says."},
    RuleInfo{Rule::nul_byte, "nul-byte", kError, "a NUL",
             "The kernel ends a path at a NUL: what was checked would not be what is opened.",
             R"("process": { "cwd": "/srv\u0000/../etc" })"},
    RuleInfo{Rule::duplicate_key, "duplicate-key", kError, "a key given twice",
             "Parsers differ on which of the two counts: one reader would see another policy.",
             R"("network": "none", "network": "loopback")"},
    RuleInfo{Rule::too_deep, "too-deep", kError, "nested too deep",
             "The depth of a file is bounded so that reading it costs bounded memory."},
    RuleInfo{Rule::too_large, "too-large", kError, "too large",
             "Files, lists and filters are bounded so that no profile exhausts who reads it."},
    RuleInfo{Rule::unreadable_profile, "unreadable-profile", kError, "a file that cannot be read",
             "A profile is a regular file: a link could lead elsewhere once it has been checked, a "
             "FIFO would block, a device could do anything."},
    RuleInfo{Rule::unreadable_site_policy, "unreadable-site-policy", kError,
             "a site policy that cannot be read",
             "Without the owner's demands nothing says what a profile may not do."},
    RuleInfo{Rule::no_site_policy, "no-site-policy", kWarning, "no site policy",
             "Nothing bounds what a profile may ask for."},
    RuleInfo{Rule::missing_pin, "missing-pin", kError, "an image or hook that is not pinned",
             "A bundle names what it was tried with by its digest: without one, any file of that "
             "name would be used."},

    RuleInfo{Rule::unknown_key, "unknown-key", kError, "a key that the language does not have",
             "A key that is ignored is a wall that somebody believes in.",
             R"("session": { "autstart": true })"},
    RuleInfo{Rule::unknown_class, "unknown-class", kError, "no such class of devices",
             "Devices are granted by class, never by the name of a node.",
             R"("devices": { "gpus": "render" })"},
    RuleInfo{Rule::unknown_rlimit, "unknown-rlimit", kError, "no such resource limit",
             "Limits have the names of getrlimit(2), in small letters and without RLIMIT_.",
             R"("process": { "rlimits": { "nofiles": 1024 } })"},
    RuleInfo{Rule::unknown_option, "unknown-option", kError, "no such mount option",
             "A mount option that is dropped silently leaves the mount weaker than it reads.",
             R"("mounts": [{ "type": "tmpfs", "target": "/srv", "options": ["nosud"] }])"},
    RuleInfo{Rule::unknown_group, "unknown-group", kError, "no such group of system calls",
             "A group begins with @ and is one of the table in the manual.",
             R"("seccomp": { "allow": ["@filesystem"] })"},
    RuleInfo{Rule::unknown_syscall, "unknown-syscall", kError, "no such system call",
             "A misspelt name would deny what was to be allowed, or allow what was to be denied.",
             R"("seccomp": { "allow": ["opnat"] })"},
    RuleInfo{Rule::unknown_capability, "unknown-capability", kError, "no such capability",
             "Capabilities have the names of capabilities(7).",
             R"("process": { "capabilities": ["CAP_NET_RAWW"] })"},
    RuleInfo{Rule::unknown_errno, "unknown-errno", kError, "no such error",
             "Errors have the names of errno(3).",
             R"("seccomp": { "allow": [], "rules": [)"
             R"({ "names": ["sync"], "action": "errno", "errno": "EPREM" }] })"},

    RuleInfo{Rule::wrong_type, "wrong-type", kError, "a value of the wrong type",
             "Nothing is converted: \"yes\" is not true, \"5\" is not 5.",
             R"("session": { "autostart": "yes" })"},
    RuleInfo{Rule::bad_value, "bad-value", kError, "a value that the key does not take",
             "The manual lists the values of each key.", R"("session": { "background": "freez" })"},
    RuleInfo{Rule::out_of_range, "out-of-range", kError, "a number out of its range",
             "The kernel would refuse it, or take it for another.",
             R"("process": { "oomScoreAdj": 2000 })"},
    RuleInfo{Rule::missing_key, "missing-key", kError, "a required key is missing",
             "There is no safe value for it to fall back to.",
             R"("mounts": [{ "type": "tmpfs" }])"},
    RuleInfo{Rule::contradiction, "contradiction", kError, "two values that exclude each other",
             "One of the two would be ignored.",
             R"("mounts": [{ "type": "tmpfs", "target": "/srv", "options": ["ro", "rw"] }])"},

    RuleInfo{Rule::bad_extends, "bad-extends", kError, "a block that cannot be read",
             "Blocks lie in the profiles directory: a path cannot leave it, nor a link lead out.",
             R"("extends": ["../hardened.json"])"},
    RuleInfo{Rule::extends_cycle, "extends-cycle", kError, "blocks that extend each other",
             "No order of merging would be the right one."},
    RuleInfo{Rule::mode_in_block, "mode-in-block", kError, "a block that names a mode",
             "A block is for any mode; which one, the profile says that extends it."},

    RuleInfo{Rule::missing_namespace, "missing-namespace", kError, "a namespace left out",
             "Without it modes see each other's processes, mounts, names or networks.",
             R"("namespaces": ["user", "mount"])"},
    RuleInfo{Rule::forbidden_source, "forbidden-source", kError, "a tree that no mode may see",
             "It holds the host's devices, secrets or state, or another mode's.",
             R"("mounts": [{ "type": "bind", "source": "/etc", "target": "/srv" }])"},
    RuleInfo{Rule::forbidden_target, "forbidden-target", kError,
             "a place that is no mode's to cover",
             "A mount over /proc, /sys or /dev could show the launcher a forged file "
             "(CVE-2025-31133).",
             R"("mounts": [{ "type": "tmpfs", "target": "/proc" }])"},
    RuleInfo{Rule::duplicate_target, "duplicate-target", kError, "two mounts on one place",
             "The later one would hide the other.",
             R"("mounts": [{ "type": "tmpfs", "target": "/srv" },)"
             R"( { "type": "tmpfs", "target": "/srv" }])"},
    RuleInfo{Rule::hidden_target, "hidden-target", kError, "a mount that hides an earlier one",
             "What the hidden one holds could not be reached, and its volume not be closed.",
             R"("mounts": [{ "type": "tmpfs", "target": "/srv/a" },)"
             R"( { "type": "tmpfs", "target": "/srv" }])"},
    RuleInfo{Rule::duplicate_volume, "duplicate-volume", kError, "two volumes of one name",
             "The name makes the mapping and the file.",
             R"("volumes": [{ "name": "d", "target": "/a", "size": "64MiB", "unlock": ["pin"] },)"
             R"( { "name": "d", "target": "/b", "size": "64MiB", "unlock": ["pin"] }])"},

    RuleInfo{Rule::duplicate_mode, "duplicate-mode", kError, "two profiles of one mode",
             "Nothing says which of them holds.", R"("mode": "alpha")"},
    RuleInfo{Rule::overlapping_id_range, "overlapping-id-range", kError, "id ranges that overlap",
             "A file or process of one mode would belong to the other's users.",
             R"("identity": { "uidRange": { "start": 500000, "count": 65536 } })"},
    RuleInfo{Rule::shared_image, "shared-image", kError, "one image for two modes",
             "Its pages in memory are shared: what one has read the other can time.",
             R"("root": { "image": "both.erofs" })"},
    RuleInfo{Rule::shared_volume, "shared-volume", kError, "one volume for two modes",
             "What one writes the other reads.",
             R"("volumes": [{ "name": "d", "target": "/srv", "source": { "device": "/dev/vdc" },)"
             R"( "unlock": ["pin"] }])"},
    RuleInfo{Rule::writable_share, "writable-share", kError,
             "a directory of two modes that one can write",
             "It is a channel from the one to the other.",
             R"("mounts": [{ "type": "bind", "source": "/srv/x", "target": "/srv",)"
             R"( "options": ["rw"] }])"},
    RuleInfo{Rule::shared_device, "shared-device", kWarning,
             "a device of two modes that nobody arbitrates",
             "What one leaves in it the other finds: settings, memory, messages. The site policy "
             "can refuse it (noSharedDevice).",
             R"("devices": { "camera": "background" }, "session": { "background": "run" })"},
    RuleInfo{Rule::shared_address, "shared-address", kError, "one address of two modes at one peer",
             "The peer sends what is for that address to one of them: the other's packets.",
             R"("network": { "tunnel": { "name": "work", "addresses": ["10.8.0.2/32"],)"
             R"( "peers": [{ "publicKey": "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=",)"
             R"( "endpoint": "192.0.2.1:51820", "allowedIPs": ["0.0.0.0/0"] }] } },)"
             R"( "volumes": [{ "name": "d", "target": "/srv", "size": "64MiB",)"
             R"( "unlock": ["pin"] }])"},
    RuleInfo{Rule::claimed_twice, "claimed-twice", kError, "something that two modes claim",
             "What comes in is one mode's, or nobody's; no order of the profiles decides it.",
             R"("devices": { "modem": ["sms"] }, "modem": { "rest": true })"},
    RuleInfo{Rule::open_flow, "open-flow", kWarning, "a way from one mode to another",
             "Nobody stands between: what the one does or writes the other can find out. 'pmosctl "
             "policy separation' shows both ends, and the site policy can refuse it (separate) or "
             "accept it (accept).",
             R"("seccomp": { "allow": ["@default", "@keyring"] })"},

    RuleInfo{Rule::site_policy, "site-policy", kError, "a demand of the owner's is broken",
             "The owner of the phone has written it, and no profile can weaken it.",
             R"("network": "loopback")"},
    RuleInfo{Rule::site_policy_broken, "site-policy-broken", kError,
             "the owner's demands cannot be read",
             "What they forbid is not known, so no mode may start."},

    RuleInfo{Rule::not_enforced, "not-enforced", kWarning, "this build cannot enforce it",
             "Nothing is accepted and ignored: the mode does not start while the key is there.",
             R"("devices": { "torch": "foreground" })"},
    RuleInfo{Rule::unsupported, "unsupported", kError, "this phone cannot enforce it",
             "Its kernel lacks what the key needs; 'pmosctl doctor' lists what is missing.",
             R"("timeOffsets": { "boottime": 86400 })"},
    RuleInfo{Rule::no_such_device, "no-such-device", kWarning, "no device of that class",
             "The class stays denied, so the mode goes without.",
             R"("devices": { "gnss": "foreground" })"},
    RuleInfo{Rule::limit_skipped, "limit-skipped", kWarning, "an optional limit is skipped",
             "Its cgroup controller is not there, and the profile says that it may be missing.",
             R"("resources": { "pids": { "max": { "value": 64, "optional": true } } })"},
    RuleInfo{Rule::denials_not_told, "denials-not-told", kWarning,
             "denials that this kernel does not let be seen",
             "Only BPF programs in the kernel can see them, and this kernel takes none. What is "
             "denied stays denied.",
             R"("denials": { "capabilities": true })"},
    RuleInfo{Rule::no_time_namespace, "no-time-namespace", kWarning, "no time namespace",
             "The mode sees for how long the phone has been up."},

    RuleInfo{Rule::device_key, "device-key", kWarning, "a volume that opens with nobody there",
             "Whoever has the phone's flash memory has the key too.",
             R"("volumes": [{ "name": "d", "target": "/srv", "size": "64MiB",)"
             R"( "unlock": ["device-key"] }])"},
    RuleInfo{
        Rule::tpm_alone, "tpm-alone", kWarning, "a volume that the TPM opens by itself",
        "Who takes the storage out has nothing; who has all of the phone has the data, as long "
        "as it boots what it did, and no lock keeps out who may unlock it.",
        R"("volumes": [{ "name": "d", "target": "/srv", "size": "64MiB",)"
        R"( "unlock": ["tpm2", "recovery-key"] }])"},
    RuleInfo{Rule::lone_tpm, "lone-tpm", kWarning, "a volume that is lost with a TPM",
             "A TPM that is cleared or breaks, or a PCR that other firmware changes, ends the only "
             "way into the volume.",
             R"("volumes": [{ "name": "d", "target": "/srv", "size": "64MiB",)"
             R"( "unlock": ["tpm2"] }])"},
    RuleInfo{Rule::pin_beside_tpm, "pin-beside-tpm", kWarning,
             "a PIN without the TPM beside one with it",
             "Who copies the storage guesses the PIN that the TPM does not count, and erasing the "
             "TPM's share takes nothing from them.",
             R"("volumes": [{ "name": "d", "target": "/srv", "size": "64MiB",)"
             R"( "unlock": ["pin", "tpm2+pin"] }])"},
    RuleInfo{Rule::lone_authenticator, "lone-authenticator", kWarning,
             "a volume that is lost with an authenticator",
             "Authenticators get lost, break and block themselves after a few wrong PINs.",
             R"("volumes": [{ "name": "d", "target": "/srv", "size": "64MiB",)"
             R"( "unlock": ["fido2"] }])"},
    RuleInfo{Rule::weak_kdf, "weak-kdf", kWarning, "a PIN that is cheap to guess",
             "A PIN has few bits: only a function that costs memory and time slows down who has a "
             "copy of the volume.",
             R"("volumes": [{ "name": "d", "target": "/srv", "size": "64MiB", "unlock": ["pin"],)"
             R"( "luks": { "pbkdf": { "type": "pbkdf2" } } }])"},
    RuleInfo{Rule::told_discards, "told-discards", kWarning,
             "the storage learns which blocks are free",
             "Who has a copy of the storage sees how much is in the volume and where, and often "
             "which file system; where the volume is a file, its free blocks become holes in it.",
             R"("volumes": [{ "name": "d", "target": "/srv", "size": "64MiB", "unlock": ["pin"],)"
             R"( "luks": { "discards": "trim" } }])"},
    RuleInfo{
        Rule::unchecked_volume, "unchecked-volume", kWarning, "a volume is mounted unchecked",
        "A power cut or failing storage can damage a file system: mounted as it is, it is "
        "written to all the same, and what could have been repaired may be lost.",
        R"("volumes": [{ "name": "d", "target": "/srv", "size": "64MiB", "unlock": ["pin"] }])"},
    RuleInfo{
        Rule::erase_after_failures, "erase-after-failures", kWarning, "wrong PINs erase the mode",
        "Anybody who holds the locked phone can do that, a child too, and no backup is made "
        "first. The delays alone make guessing hopeless: see docs/integrating.md.",
        R"("volumes": [{ "name": "d", "target": "/srv", "size": "64MiB", "unlock": ["pin"] }],)"
        R"( "session": { "eraseAfterFailures": 20 })"},
    RuleInfo{
        Rule::keys_stay, "keys-stay", kWarning, "a lock that leaves the keys in memory",
        "Whoever takes the phone while it is on, and can read its memory, has the keys and all "
        "that the mode had open: a lock by freeze keeps out who only holds the phone.",
        R"("volumes": [{ "name": "d", "target": "/srv", "size": "64MiB", "unlock": ["pin"],)"
        R"( "onLock": "freeze" }], "session": { "onLock": "freeze" })"},
    RuleInfo{Rule::dangerous_syscalls, "dangerous-syscalls", kWarning,
             "system calls that defeat a namespace",
             "They reach what no namespace covers, or make new namespaces in which the mode is "
             "root over kernel code that few have tested.",
             R"("seccomp": { "allow": ["@system-service", "@mount"] })"},
    RuleInfo{Rule::dangerous_capability, "dangerous-capability", kWarning,
             "a capability that defeats a namespace",
             "Even inside a user namespace it opens much of the kernel to the mode.",
             R"("process": { "capabilities": ["CAP_SYS_ADMIN"] })"},
    RuleInfo{Rule::guard_overridden, "guard-overridden", kWarning, "a built-in guard is overridden",
             "Rules come before the guards: this one admits what the guard was there to refuse.",
             R"("seccomp": { "allow": ["@system-service"],)"
             R"( "rules": [{ "names": ["unshare"], "action": "allow" }] })"},
    RuleInfo{Rule::high_bits, "high-bits", kWarning, "a rule that can be walked around",
             "It compares 64 bits where the kernel looks at 32 (CVE-2019-10063).",
             R"("seccomp": { "allow": ["@system-service"], "rules": [{ "names": ["ioctl"],)"
             R"( "action": "errno", "args": [{ "index": 1, "value": 21522,)"
             R"( "op": "SCMP_CMP_EQ" }] }] })"},
    RuleInfo{Rule::unreachable_rule, "unreachable-rule", kWarning, "a rule that is never reached",
             "The first match wins, and an earlier rule decides every call of that name.",
             R"("seccomp": { "allow": ["@system-service"], "rules": [)"
             R"({ "names": ["sync"], "action": "errno" },)"
             R"( { "names": ["sync"], "action": "allow" }] })"},
    RuleInfo{Rule::libc_start, "libc-start", kWarning, "a libc could not start or end",
             "The loader reads the program's libraries before main, and every thread ends by a "
             "call: without these calls nothing runs.",
             R"("seccomp": { "allow": ["@default"] })"},
    RuleInfo{Rule::unused_right, "unused-right", kNote, "a right that nothing can use",
             "It does nothing today and opens something on the day that another right is added.",
             R"("process": { "capabilities": ["CAP_SYS_CHROOT"] })"},
    RuleInfo{Rule::covered_rule, "covered-rule", kNote, "a destination that another one decides",
             "It changes nothing, and reads as if it did.",
             R"("network": { "direct": true, "egress": {)"
             R"( "allow": ["10.0.0.0/8", "tcp/443 to 10.1.0.0/16"] } })"},
    RuleInfo{
        Rule::open_inbound, "open-inbound", kWarning, "anybody may connect to the mode",
        "A program of the mode that listens on any port is open to all who are in the tunnel.",
        R"("network": { "tunnel": { "name": "work", "addresses": ["10.8.0.2/32"],)"
        R"( "peers": [{ "publicKey": "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=",)"
        R"( "endpoint": "192.0.2.1:51820", "allowedIPs": ["0.0.0.0/0"] }] }, "inbound": ["0.0.0.0/0"] },)"
        R"( "volumes": [{ "name": "d", "target": "/srv", "size": "64MiB",)"
        R"( "unlock": ["pin"] }])"},
    RuleInfo{Rule::unarbitrated_device, "unarbitrated-device", kNote,
             "a device that nobody arbitrates",
             "The mode has the node itself: no broker sees what it does, and it keeps the device "
             "in the background unless it is frozen.",
             R"("devices": { "camera": "background" }, "session": { "background": "run" })"},
    RuleInfo{Rule::unconfined, "unconfined", kWarning, "no confinement by AppArmor",
             "The profile \"unconfined\" takes one of the walls away.",
             R"("lsm": { "apparmor": "unconfined" })"},
    RuleInfo{Rule::missing_limit, "missing-limit", kWarning, "a limit is missing",
             "Without it the mode can starve the others, and the phone.", R"("session": {})"},
    RuleInfo{Rule::writable_executable, "writable-executable", kWarning,
             "writable and executable at once", "What the mode downloads it can run.",
             R"("mounts": [{ "type": "tmpfs", "target": "/srv", "options": ["exec"] }])"},
    RuleInfo{Rule::broad_grant, "broad-grant", kWarning, "several walls opened at once",
             "A container that mounts, drives the devices and goes unconfined, as Android in a "
             "container is often run, is one in name only: each wall was to hold when another "
             "falls.",
             R"("process": { "capabilities": ["CAP_SYS_ADMIN"] }, "seccomp": { "allow":)"
             R"( ["@system-service", "@mount"] }, "lsm": { "apparmor": "unconfined" })"},
    RuleInfo{Rule::unverified_image, "unverified-image", kNote, "the image is not verified",
             "Whoever writes the phone's storage changes what the mode runs, and nobody notices.",
             R"("root": { "image": "a.erofs" })"},
};

constexpr bool in_order() {
    for (std::size_t i = 0; i < kRules.size(); ++i)
        if (static_cast<std::size_t>(kRules[i].rule) != i) return false;
    return kRules.size() == static_cast<std::size_t>(Rule::unverified_image) + 1;
}
static_assert(in_order(), "a row for every rule, in the order of the enumeration");

}  // namespace

std::span<const RuleInfo> rules() { return kRules; }

const RuleInfo& rule_info(Rule rule) { return kRules.at(static_cast<std::size_t>(rule)); }

std::string_view rule_id(Rule rule) { return rule_info(rule).id; }

const RuleInfo* find_rule(std::string_view id) {
    const auto it = std::ranges::find(kRules, id, &RuleInfo::id);
    return it == kRules.end() ? nullptr : &*it;
}

std::string_view severity_name(Severity severity) {
    switch (severity) {
        case Severity::error:
            return "error";
        case Severity::warning:
            return "warning";
        case Severity::note:
            return "note";
    }
    return "error";
}

}  // namespace pmos::policy
