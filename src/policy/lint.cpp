// policy: what weakens a sound profile, or does nothing in it. Never refuses one.
#include "policy/lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "policy/names.h"
#include "policy/syscalls.h"

namespace pmos::policy {
namespace {

constexpr std::uint64_t kLeastMemory = 16ULL << 20;
constexpr std::uint32_t kLeastTime = 200;

struct CapabilityNote {
    std::string_view names;  // "a|b"
    std::string_view words;
};

constexpr std::array kDangerous{
    CapabilityNote{"CAP_SYS_ADMIN", "opens mounts, namespaces and much else of the kernel"},
    CapabilityNote{"CAP_SYS_PTRACE", "steers every process of the mode, pmos-init too"},
    CapabilityNote{"CAP_SYS_MODULE", "is for loading code into the kernel"},
    CapabilityNote{"CAP_SYS_RAWIO", "is for driving the hardware past the kernel"},
    CapabilityNote{"CAP_MKNOD", "is for making device nodes"},
};

// The kernel asks for these in the initial user namespace, or in the one that owns the network
// namespace, which is the same: a mode that holds them has nothing.
constexpr std::string_view kOutside =
    "CAP_SYS_TIME|CAP_SYSLOG|CAP_MAC_ADMIN|CAP_MAC_OVERRIDE|CAP_AUDIT_CONTROL|CAP_AUDIT_READ|"
    "CAP_AUDIT_WRITE|CAP_BLOCK_SUSPEND|CAP_WAKE_ALARM|CAP_PERFMON|CAP_BPF|CAP_LINUX_IMMUTABLE|"
    "CAP_SYS_PACCT|CAP_NET_ADMIN|CAP_NET_RAW|CAP_NET_BIND_SERVICE|CAP_NET_BROADCAST";

// A capability without one of the calls that it is for.
constexpr std::array kNeedsCall{
    CapabilityNote{"CAP_SYS_CHROOT", "chroot"},
    CapabilityNote{"CAP_CHOWN", "chown|fchown|fchownat|lchown"},
    CapabilityNote{"CAP_SETUID", "setuid|setreuid|setresuid|setfsuid"},
    CapabilityNote{"CAP_SETGID", "setgid|setregid|setresgid|setfsgid|setgroups"},
    CapabilityNote{"CAP_SYS_PTRACE", "ptrace|process_vm_readv|process_vm_writev|kcmp|pidfd_getfd"},
    CapabilityNote{"CAP_SYS_BOOT", "reboot"},
};

const CapabilityNote* note_of(std::span<const CapabilityNote> notes, std::string_view name) {
    const auto it = std::ranges::find(notes, name, &CapabilityNote::names);
    return it == notes.end() ? nullptr : &*it;
}

bool written_and_run(const std::vector<std::string>& options, bool read_only) {
    const bool writable = read_only ? has_word(options, "rw") : !has_word(options, "ro");
    return writable && has_word(options, "exec");
}

class Lint {
  public:
    Lint(const Profile& profile, std::vector<Diagnostic>& out) : p_(profile), out_(out) {}

    void image();
    void volumes();
    void volume_check();
    void erasure();
    void lock();
    void capabilities();
    void limits();
    void writable_executable();
    void devices();
    void confinement();

  private:
    void say(Rule rule, const Location& at, std::string message, std::string fix = "") {
        out_.push_back(finding(rule, at, std::move(message), std::move(fix)));
    }

    const Profile& p_;
    std::vector<Diagnostic>& out_;
};

void Lint::image() {
    const auto look = [&](const ImageSpec& image, std::string_view at) {
        if (!image.name.empty() && image.root_hash.empty())
            say(Rule::unverified_image, p_.where(at),
                fmt::format("nothing verifies '{}'", image.name),
                "make it by 'pmosctl image build', which prints the lines to add");
    };
    look(p_.image, "root/image");
    look(p_.fallback, "root/fallback/image");
}

void Lint::volumes() {
    for (std::size_t i = 0; i < p_.volumes.size(); ++i) {
        const auto& v = p_.volumes[i];
        const auto unlock = p_.where(fmt::format("volumes/{}/unlock", i));
        if (has_word(v.unlock, "device-key"))
            say(Rule::device_key, unlock,
                fmt::format("a device key protects '{}' little: whoever has the phone's flash "
                            "memory has the key too",
                            v.name),
                "unlock by \"pin\"");
        if (has_word(v.unlock, "tpm2"))
            say(Rule::tpm_alone, unlock,
                fmt::format(
                    "the TPM opens '{}' for whoever has the whole phone{}, and a lock keeps "
                    "it from nobody who may unlock it: nobody is asked for a secret",
                    v.name, v.pcrs != 0 ? " as long as it boots what it did" : ""),
                "unlock by \"tpm2+pin\", or by \"pin\"");
        if (v.unlock == std::vector<std::string>{"tpm2"} && v.escrow.empty())
            say(Rule::lone_tpm, unlock,
                fmt::format("when the TPM is cleared{}, what is in '{}' is lost",
                            v.pcrs != 0 ? ", or the phone boots in another way" : "", v.name),
                "add \"recovery-key\", and enroll one");
        if (const auto pin = std::ranges::find(v.unlock, "pin");
            pin != v.unlock.end() && has_word(v.unlock, "tpm2+pin"))
            say(Rule::pin_beside_tpm,
                p_.where(fmt::format("volumes/{}/unlock/{}", i, pin - v.unlock.begin())),
                fmt::format("the PIN that opens '{}' without the TPM makes the one with it worth "
                            "nothing",
                            v.name),
                fmt::format("once the TPM opens it: 'pmosctl auth remove {} pin', and take \"pin\" "
                            "out here",
                            p_.mode));
        if (v.unlock == std::vector<std::string>{"fido2"} && v.escrow.empty())
            say(Rule::lone_authenticator, unlock,
                fmt::format("who loses the authenticator loses what is in '{}'", v.name),
                "add \"recovery-key\", or enroll a second authenticator");
        const auto kdf = p_.where(fmt::format("volumes/{}/luks/pbkdf", i));
        const bool guessed = has_word(v.unlock, "pin") || has_word(v.unlock, "passphrase");
        if (guessed && v.pbkdf == "pbkdf2")
            say(Rule::weak_kdf, kdf, "pbkdf2 needs no memory: a PIN behind it is guessed fast",
                "use argon2id");
        else if (guessed && (v.pbkdf_memory_max < kLeastMemory || v.pbkdf_time_ms < kLeastTime))
            say(Rule::weak_kdf, kdf, "so little memory or time makes a PIN cheap to guess",
                "give it 64MiB and 500 ms, or more");
        if (v.discards != "never")
            say(Rule::told_discards, p_.where(fmt::format("volumes/{}/luks/discards", i)),
                fmt::format("'{}' tells its storage which blocks are free", v.name),
                "write \"never\" unless the storage wears out or must give the room back");
    }
}

void Lint::volume_check() {
    const auto checks = [](const HookSpec& hook) { return hook.point == HookPoint::volume_check; };
    if (p_.volumes.empty() || std::ranges::any_of(p_.hooks, checks)) return;
    say(Rule::unchecked_volume, p_.where("volumes/0"),
        fmt::format("nothing checks the file system of '{}' before it is mounted",
                    p_.volumes.front().name),
        "add \"hooks\": { \"volumeCheck\": [\"volume-check\"] }");
}

void Lint::erasure() {
    if (p_.session.erase_after_failures == 0) return;
    say(Rule::erase_after_failures, p_.where("session/eraseAfterFailures"),
        fmt::format("{} wrong PINs in a row erase the mode, whoever enters them",
                    p_.session.erase_after_failures),
        "leave it out where a child may get hold of the phone, or keep a backup of the data");
}

void Lint::lock() {
    if (p_.session.on_lock != OnLock::freeze) return;
    say(Rule::keys_stay, p_.where("session/onLock"),
        "a lock leaves the keys and the data of this mode in memory",
        p_.session.evict_after_ms == 0
            ? "write \"suspend\" or \"evict\", or at least let evictAfter end it"
            : "write \"suspend\" or \"evict\" where a stolen phone that is on must give nothing "
              "away");
}

void Lint::capabilities() {
    const Node* list = p_.source.at_path("process/capabilities");
    if (list == nullptr) return;
    const auto calls = expand_syscalls(p_.seccomp_allow);
    const auto outside = split_list(kOutside);
    for (const auto& item : list->items) {
        if (const auto* danger = note_of(kDangerous, item.text))
            say(Rule::dangerous_capability, item.at, fmt::format("{} {}", item.text, danger->words),
                "remove it unless the mode's purpose needs it");
        if (std::ranges::find(outside, item.text) != outside.end())
            say(Rule::unused_right, item.at,
                fmt::format("{} does nothing in a mode: the kernel asks for it in the initial user "
                            "namespace",
                            item.text),
                "remove it");
        const auto* needs = note_of(kNeedsCall, item.text);
        if (needs == nullptr) continue;
        const auto any = split_list(needs->words);
        if (std::ranges::none_of(any, [&](auto c) { return calls.contains(std::string(c)); }))
            say(Rule::unused_right, item.at,
                fmt::format("{} is of no use without the system call it is for", item.text),
                fmt::format("remove it, or allow one of: {}", fmt::join(any, ", ")));
    }
}

void Lint::limits() {
    for (const auto& [file, key] :
         {std::pair<std::string_view, std::string_view>{"memory.max", "resources/memory/max"},
          {"pids.max", "resources/pids/max"}})
        if (std::ranges::find(p_.limits, file, &LimitSpec::file) == p_.limits.end())
            say(Rule::missing_limit, p_.where(key),
                fmt::format("without {} the mode can starve the others", file),
                fmt::format("add '{}'", key));
}

void Lint::writable_executable() {
    const auto judge = [&](const std::string& target, const Location& at) {
        say(Rule::writable_executable, at, fmt::format("'{}' is writable and executable", target),
            "drop the option exec");
    };
    for (const auto& v : p_.volumes)
        if (written_and_run(v.options, false)) judge(v.target, v.at);
    for (const auto& m : p_.mounts)
        if (written_and_run(m.options, m.type == "bind")) judge(m.target, m.at);
}

void Lint::devices() {
    for (const auto& [device_class, right] : p_.devices)
        if (const auto why = unarbitrated(p_, device_class); !why.empty())
            say(Rule::unarbitrated_device, p_.where("devices/" + device_class),
                fmt::format("nobody arbitrates {} '{}': {}", device_class, right, why),
                right == "background" ? "write \"foreground\"" : "");
}

void Lint::confinement() {
    if (p_.apparmor == "unconfined")
        say(Rule::unconfined, p_.where("lsm/apparmor"), "AppArmor does not confine this mode",
            "leave 'apparmor' out: pmos-mode is the default");
}

// Each wall alone may have a reason. Three of them opened at once have one name.
void lint_walls(const Profile& p, std::vector<Diagnostic>& out) {
    std::vector<std::string_view> walls;
    std::vector<Location> places;
    const auto open = [&](std::string_view wall, const Location& at) {
        if (std::ranges::find(walls, wall) != walls.end()) return;
        walls.push_back(wall);
        places.push_back(at);
    };
    for (const auto& d : out) {
        if (d.rule == Rule::dangerous_capability) open("capabilities", d.at);
        if (d.rule == Rule::dangerous_syscalls) open("system calls", d.at);
        if (d.rule == Rule::guard_overridden) open("the built-in guards", d.at);
        if (d.rule == Rule::unconfined) open("AppArmor", d.at);
    }
    if (const auto gpu = p.devices.find("gpu"); gpu != p.devices.end() && gpu->second == "full")
        open("the display controller", p.where("devices/gpu"));
    for (const auto& m : p.mounts)
        if (m.type == "bind" && has_word(m.options, "rw")) open("the host's files", m.at);
    if (walls.size() < 3) return;
    out.push_back(finding(
        Rule::broad_grant, p.where("mode"),
        fmt::format("this profile opens {} walls at once: {}", walls.size(),
                    fmt::join(walls, ", ")),
        "grant what the mode needs one by one; give each program that needs more its own mode",
        std::move(places)));
}

}  // namespace

std::string unarbitrated(const Profile& p, std::string_view device_class) {
    const auto right = p.devices.find(std::string(device_class));
    if (right == p.devices.end()) return "";
    // Who has a call runs on behind another, whatever it does otherwise.
    const bool runs_on = p.session.background != Background::freeze || p.modem.rights.voice;
    if (device_class == "audio")
        return p.audio.capture == Presence::background && runs_on
                   ? "the mode hears what is said in another"
                   : "";
    if (right->second == "background" && runs_on) return "the mode keeps it in the background";
    return "";
}

bool weakens_walls_capability(std::string_view name) {
    return note_of(kDangerous, name) != nullptr;
}

bool idle_capability(std::string_view name) {
    const auto outside = split_list(kOutside);
    return std::ranges::find(outside, name) != outside.end();
}

void lint(const Profile& profile, std::vector<Diagnostic>& diagnostics) {
    std::vector<Diagnostic> found;
    Lint lint(profile, found);
    lint.image();
    lint.volumes();
    lint.volume_check();
    lint.erasure();
    lint.lock();
    lint_seccomp(profile, found);
    lint.capabilities();
    lint.limits();
    lint.writable_executable();
    lint.devices();
    lint.confinement();
    lint_network(profile, found);
    lint_walls(profile, found);
    diagnostics.insert(diagnostics.end(), std::make_move_iterator(found.begin()),
                       std::make_move_iterator(found.end()));
}

}  // namespace pmos::policy
