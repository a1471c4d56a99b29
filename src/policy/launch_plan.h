// policy: the LaunchPlan, everything a launch will do with nothing left to decide.
// Values only: never a pid, a descriptor, a clock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "policy/network_plan.h"
#include "policy/plan_image.h"

namespace pmos::policy {

struct IdMap {
    std::uint32_t inside = 0, outside = 0, count = 0;  // user_namespaces(7)
};

// One mount, in the order it is made. Paths are inside the mode and absolute.
struct MountOp {
    image::MountKind kind{};
    std::string source;  // host path (bind, volume: /dev/mapper/...) or file system name
    std::string target;
    std::vector<std::pair<std::string, std::string>> options;  // fsconfig(2); value "" is a flag
    std::uint64_t attributes = 0;                              // MOUNT_ATTR_* of mount_setattr(2)
    bool idmapped = false;                                     // shifted into the mode's id range

    // Of containers, as plan_image.h has them.
    std::uint32_t flags = 0, propagation = 0;
    std::uint64_t cleared = 0, deep_attributes = 0, deep_cleared = 0;
    // Of an idmapped one; whoever launches it has a user namespace of these.
    std::vector<IdMap> uid_map, gid_map;
};

struct ContainerHook {
    bool at_start = false;
    std::string path;
    std::vector<std::string> args, env;
    std::uint32_t timeout_ms = 0;
};

// What only a container of an OCI bundle has, and no mode; as plan_image.h has it.
struct Container {
    std::uint32_t flags = image::container_is, root_propagation = 0;
    std::uint64_t joined = 0;
    std::optional<std::uint32_t> personality;
    std::string domainname;
    std::vector<std::pair<std::string, std::string>> sysctl;
    std::vector<ContainerHook> hooks;
};

// Where a mode finds the directory that the modem's broker has for it: no part of the host's files.
inline constexpr std::string_view kModemPlace = "/run/pmos/modem";
// And the one that the sound's broker has for it, with the socket of the mode's own PipeWire.
inline constexpr std::string_view kAudioPlace = "/run/pmos/audio";
// And the one of the notifications' broker, with what its programs take for their session bus.
inline constexpr std::string_view kNotifyPlace = "/run/pmos/notify";
// And the one of the panel, with the socket of the mode's own Wayland display.
inline constexpr std::string_view kPanelPlace = "/run/pmos/panel";
inline bool is_brokers(const MountOp& op) {
    return op.kind == image::MountKind::bind &&
           (op.target == kModemPlace || op.target == kAudioPlace || op.target == kNotifyPlace ||
            op.target == kPanelPlace);
}

struct DeviceNode {
    std::string path;  // below /dev: "dri/renderD128"
    image::NodeType type{};
    std::uint32_t major = 0, minor = 0;
    std::uint32_t mode = 0;          // permission bits
    std::uint32_t uid = 0, gid = 0;  // inside the mode
    std::string link;                // target of a symlink
    std::string device_class;        // "" for the base nodes every mode has
    bool foreground = false;         // may be used while the mode is in the foreground only
    friend bool operator==(const DeviceNode&, const DeviceNode&) = default;
};

struct Rlimit {
    std::uint32_t resource = 0;  // RLIMIT_*
    std::uint64_t soft = 0, hard = 0;
};

struct CapabilitySets {  // bit n is capability n, capabilities(7)
    std::uint64_t bounding = 0, effective = 0, permitted = 0, inheritable = 0, ambient = 0;
};

struct LandlockRule {
    std::string path;
    std::uint64_t access = 0;  // LANDLOCK_ACCESS_FS_*
};

struct Process {
    std::vector<std::string> args, env;
    std::string cwd;
    std::uint32_t uid = 0, gid = 0, umask = 0022;
    std::vector<std::uint32_t> additional_gids;
    std::vector<Rlimit> rlimits;
    CapabilitySets capabilities;
    std::int32_t oom_score_adj = 0;
};

// One file of the mode's cgroup, e.g. {"memory.max", "1073741824", "memory", false}.
struct CgroupLimit {
    std::string file, value, controller;
    bool optional = false;  // skipped, with a warning, where the kernel lacks the controller
    std::string pointer;    // JSON pointer of the profile key it comes from
};

enum class HookPoint : std::uint8_t {
    volume_check,  // device open, before it is mounted
    pre_start,
    post_start,
    post_stop,
    switch_in,
    switch_out,
    lock,
    unlock,
    modem_call,
};
// As profiles and hooks write them, in the order of the enumeration.
inline constexpr std::string_view kHookPointNames =
    "volumeCheck|preStart|postStart|postStop|switchIn|switchOut|lock|unlock|modemCall";
std::string_view hook_point_name(HookPoint point);

struct Hook {
    HookPoint point{};
    std::string path;  // absolute
    std::vector<std::string> args;
    std::uint32_t timeout_ms = 10000;
};

enum class KeySource : std::uint8_t { pin, passphrase, device_key, tpm };
// It opens with nobody there.
constexpr bool asks_nobody(KeySource source) {
    return source == KeySource::device_key || source == KeySource::tpm;
}
// From the weakest to the strongest. freeze: its processes stand still, and everything stays in
// memory, its keys too. suspend: the keys go. evict: nothing stays.
enum class OnLock : std::uint8_t { freeze, suspend, evict };
enum class LockAt : std::uint8_t { background, screen_lock, sleep };
enum class Background : std::uint8_t { freeze, run, throttle };
inline constexpr std::string_view kKeySourceNames = "pin|passphrase|device-key|tpm2";
inline constexpr std::string_view kOnLockNames = "freeze|suspend|evict";
inline constexpr std::string_view kLockAtNames = "background|screen-lock|sleep";
inline constexpr std::string_view kBackgroundNames = "freeze|run|throttle";

struct Volume {
    std::string name, dm_name;  // dm_name: pmos-MODE-VOLUME
    std::string target;         // where it is mounted inside
    std::string source;         // host path of the loop file or block device
    bool block_device = false;  // source is a block device, not a file
    std::uint64_t size = 0;     // bytes, of a file to be made
    std::string filesystem = "ext4";
    std::string cipher, pbkdf;  // "aes-xts-plain64", "argon2id"
    std::uint32_t key_bits = 0, sector_size = 0;
    std::uint64_t pbkdf_memory_max = 0;  // bytes; fitted to the device below this
    std::uint32_t pbkdf_time_ms = 0;
    std::string integrity = "none", discards = "never";  // as profiles have them
    std::string header;  // host path of the file with the header; "": it is on the source
    KeySource key_source{};
    std::string key_file;             // of a device key
    std::vector<std::string> unlock;  // all ways that open it after boot, as profiles name them
    std::uint32_t pcrs = 0;           // of tpm2, one bit for each
    bool tpm_throttle = false;        // the TPM counts every wrong PIN, or it is not tried
    std::string escrow;               // X25519 public key in base64; "": nobody else gets a way
};

// What the modem's broker lets the mode have. Emergency calls come with any of the others.
struct ModemRights {
    bool sms = false, voice = false, emergency = false, data = false;

    bool any() const { return sms || voice || emergency || data; }
    bool receives() const { return sms || voice; }
};

// What the sound's broker lets the mode have, and when.
enum class Presence : std::uint8_t { none, foreground, background };
inline constexpr std::string_view kPresenceNames = "none|foreground|background";
enum class WhenTaken : std::uint8_t { silence, error };
inline constexpr std::string_view kWhenTakenNames = "silence|error";
struct AudioRights {
    Presence playback = Presence::none, capture = Presence::none;
    WhenTaken when_taken = WhenTaken::silence;

    bool any() const { return playback != Presence::none || capture != Presence::none; }
};

// What the panel offers the mode beside the core and xdg_wm_base.
inline constexpr std::string_view kDisplayProtocolNames =
    "wl_data_device_manager|wp_viewporter|wp_presentation|zxdg_decoration_manager_v1|"
    "zwp_primary_selection_device_manager_v1|zwp_linux_dmabuf_v1|zxdg_output_manager_v1";
enum class DisplayLost : std::uint8_t { keep, restart };
inline constexpr std::string_view kDisplayLostNames = "keep|restart";
struct DisplayRights {
    bool shown = false, input = false;
    bool leases = false;     // outputs beside the panel's own are lent to it
    bool scrambles = false;  // where the digits of its pad lie
    DisplayLost when_lost = DisplayLost::keep;
    std::string title;
    std::uint32_t color = 0;  // 0xRRGGBB
    std::vector<std::string> protocols;
};

// What others learn of the mode's notifications while it is not in front; off: it has none.
enum class Notifications : std::uint8_t { off, none, count, full };
inline constexpr std::string_view kNotificationsNames = "off|none|count|full";

struct Session {
    bool autostart = false;
    Background background = Background::freeze;
    OnLock on_lock = OnLock::evict;
    std::uint32_t stop_timeout_ms = 5000;    // SIGTERM, then cgroup.kill
    std::uint32_t lock_after_ms = 0;         // 0: never
    std::uint32_t evict_after_ms = 0;        // 0: never
    std::uint32_t erase_after_failures = 0;  // 0: never
    std::vector<LockAt> lock_at;
    // Whether a fingerprint lets a mode that was locked by freeze go on, so long after its own
    // secret did; 0: never.
    std::uint32_t fingerprint_within_ms = 0;
    Notifications notifications = Notifications::off;
    bool idle_inhibit = false;  // in front its programs may keep the screen on

    bool has_session_bus() const { return notifications != Notifications::off || idle_inhibit; }

    bool locks_at(LockAt moment) const {
        return std::ranges::find(lock_at, moment) != lock_at.end();
    }
};

struct RootImage {
    std::string path;        // host path of the erofs image
    std::string filesystem;  // "erofs"
    std::string root_hash;   // of dm-verity, 64 hex digits; "": the image is not verified
    std::string tree;        // host path of the hashes, "": they are appended to the image
    bool operator==(const RootImage&) const = default;
};

struct LaunchPlan {
    std::string mode, hostname;
    RootImage root;
    RootImage fallback;  // where the mode does not become ready from root; path "": none
    std::uint32_t ready_after_ms = 0;  // how long PID 1 must live for that
    std::vector<Volume> volumes;
    std::vector<IdMap> uid_map, gid_map;
    std::uint64_t namespaces = 0;                            // CLONE_NEW*, time included
    std::int64_t monotonic_offset = 0, boottime_offset = 0;  // seconds
    std::vector<MountOp> mounts;
    std::vector<DeviceNode> device_nodes;
    Process process;
    std::vector<std::uint8_t> seccomp;  // struct sock_filter[]
    std::uint32_t seccomp_flags = 0;    // SECCOMP_FILTER_FLAG_*
    // What the listener answers by where the filter asks one (SECCOMP_FILTER_FLAG_NEW_LISTENER),
    // a filter too; empty where it does not.
    std::vector<std::uint8_t> seccomp_answer;
    std::uint32_t tell = 0;              // image::Tell: which other refusals pmosd looks for
    std::uint64_t landlock_handled = 0;  // LANDLOCK_ACCESS_FS_*, 0: no Landlock
    std::vector<LandlockRule> landlock;
    std::string apparmor;  // "" where AppArmor is not enabled
    std::vector<CgroupLimit> cgroup;
    // What of these is something else behind another mode.
    std::vector<CgroupLimit> background_cgroup;
    std::vector<std::uint8_t> device_filter;  // struct bpf_insn[], BPF_PROG_TYPE_CGROUP_DEVICE
    ModemRights modem;
    AudioRights audio;
    DisplayRights display;
    NetworkPlan network;
    Session session;
    std::vector<Hook> hooks;
    std::optional<Container> container;
};

// The image the launcher reads (see plan_image.h). Never fails: a LaunchPlan is complete.
std::vector<std::byte> encode(const LaunchPlan& plan);
// json: "" where nobody asks again what the plan was.
std::vector<std::byte> encode(const LaunchPlan& plan, std::string_view json);
// What was encoded, of a mode. The image must be one that launch::PlanView found sound; nullopt
// when it is not what this build's encode() makes of the plan in it.
std::optional<LaunchPlan> decode(std::span<const std::byte> image);
// SHA-256 over the image, in hex: the plan's name in status and in the audit log.
std::string digest(const LaunchPlan& plan);
// Readable form, stable key order: `pmosctl inspect` and the golden plans.
std::string to_json(const LaunchPlan& plan);

}  // namespace pmos::policy
