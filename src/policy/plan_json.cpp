// policy: a LaunchPlan as JSON for people, tests and the digest. Stable order, no host reads.
#include "policy/hash.h"
#include "policy/json_writer.h"
#include "policy/launch_plan.h"
#include "policy/names.h"
#include "policy/plan_network.h"

namespace pmos::policy {
namespace {

std::vector<std::string> bit_names(std::uint64_t bits, std::span<const NamedValue> table) {
    std::vector<std::string> names;
    for (const auto& entry : table)
        if (entry.value != 0 && (bits & entry.value) != 0) names.emplace_back(entry.name);
    return names;
}

std::vector<std::string> capability_list(std::uint64_t bits) {
    std::vector<std::string> names;
    for (const auto& entry : capability_names())
        if ((bits >> entry.value & 1U) != 0) names.emplace_back(entry.name);
    return names;
}

std::string_view kind_name(image::MountKind kind) {
    constexpr std::string_view kNames[] = {"root",       "dev",  "volume",   "bind",
                                           "filesystem", "mask", "read-only"};
    // The reader's tests make plans with kinds that do not exist.
    const auto at = static_cast<std::size_t>(kind);
    return at < std::size(kNames) ? kNames[at] : "unknown";
}

std::string_view type_name(image::NodeType type) {
    constexpr std::string_view kNames[] = {"character", "block", "symlink", "directory", "fifo"};
    return kNames[static_cast<std::size_t>(type)];
}

void write_ids(JsonWriter& w, std::string_view key, const std::vector<IdMap>& maps) {
    w.key(key).open_array().compact(true);
    for (const auto& m : maps) {
        w.open_object().key("inside").number(m.inside).key("outside").number(m.outside);
        w.key("count").number(m.count).close();
    }
    w.compact(false).close();
}

void write_volumes(JsonWriter& w, const std::vector<Volume>& volumes) {
    w.key("volumes").open_array();
    for (const auto& v : volumes) {
        w.open_object().key("name").text(v.name).key("dmName").text(v.dm_name);
        w.key("target").text(v.target).key("source").text(v.source);
        w.key("blockDevice").boolean(v.block_device).key("size").number(v.size);
        w.key("filesystem").text(v.filesystem).key("cipher").text(v.cipher);
        w.key("keyBits").number(v.key_bits).key("sectorSize").number(v.sector_size);
        w.key("pbkdf").text(v.pbkdf).key("pbkdfMemoryMax").number(v.pbkdf_memory_max);
        w.key("pbkdfTimeMs").number(v.pbkdf_time_ms);
        w.key("integrity").text(v.integrity).key("discards").text(v.discards);
        if (!v.header.empty()) w.key("header").text(v.header);
        w.key("keySource").text(word_at(kKeySourceNames, v.key_source));
        if (!v.key_file.empty()) w.key("keyFile").text(v.key_file);
        w.key("unlock").compact(true).texts(v.unlock).compact(false);
        if (v.pcrs != 0) w.key("pcrs").number(v.pcrs);
        if (v.tpm_throttle) w.key("tpmThrottle").boolean(true);
        if (!v.escrow.empty()) w.key("escrow").text(v.escrow);
        w.close();
    }
    w.close();
}

void write_mounts(JsonWriter& w, const std::vector<MountOp>& mounts) {
    w.key("mounts").open_array().compact(true);
    for (const auto& m : mounts) {
        w.open_object().key("kind").text(kind_name(m.kind)).key("target").text(m.target);
        if (!m.source.empty()) w.key("source").text(m.source);
        if (!m.options.empty()) {
            w.key("options").open_object();
            for (const auto& [key, value] : m.options) w.key(key).text(value);
            w.close();
        }
        if (m.attributes != 0)
            w.key("attributes").texts(bit_names(m.attributes, mount_option_names()));
        if (m.idmapped) w.key("idmapped").boolean(true);
        w.close();
    }
    w.compact(false).close();
}

void write_nodes(JsonWriter& w, const std::vector<DeviceNode>& nodes) {
    w.key("deviceNodes").open_array().compact(true);
    for (const auto& n : nodes) {
        w.open_object().key("path").text(n.path).key("type").text(type_name(n.type));
        if (n.type == image::NodeType::symlink) {
            w.key("link").text(n.link).close();
            continue;
        }
        if (n.type == image::NodeType::character || n.type == image::NodeType::block)
            w.key("major").number(n.major).key("minor").number(n.minor);
        w.key("mode").text(fmt::format("{:04o}", n.mode));
        w.key("uid").number(n.uid).key("gid").number(n.gid);
        if (!n.device_class.empty()) w.key("class").text(n.device_class);
        if (n.foreground) w.key("foreground").boolean(true);
        w.close();
    }
    w.compact(false).close();
}

void write_process(JsonWriter& w, const Process& p) {
    w.key("process").open_object().key("args").texts(p.args).key("env").texts(p.env);
    w.key("cwd").text(p.cwd).key("uid").number(p.uid).key("gid").number(p.gid);
    w.key("umask").text(fmt::format("{:04o}", p.umask)).key("additionalGids").open_array();
    for (const auto gid : p.additional_gids) w.number(gid);
    w.close().key("rlimits").open_array().compact(true);
    for (const auto& r : p.rlimits) {
        w.open_object().key("name").text(name_of(rlimit_names(), r.resource));
        w.key("soft").number(r.soft).key("hard").number(r.hard).close();
    }
    w.compact(false).close().key("capabilities").open_object();
    w.key("bounding").texts(capability_list(p.capabilities.bounding));
    w.key("effective").texts(capability_list(p.capabilities.effective));
    w.key("permitted").texts(capability_list(p.capabilities.permitted));
    w.key("inheritable").texts(capability_list(p.capabilities.inheritable));
    w.key("ambient").texts(capability_list(p.capabilities.ambient)).close();
    w.key("oomScoreAdj").number(p.oom_score_adj).close();
}

void write_program(JsonWriter& w, std::string_view key, const std::vector<std::uint8_t>& bytes) {
    w.key(key).open_object().key("instructions").number(bytes.size() / 8);
    w.key("sha256").text(sha256_hex(std::as_bytes(std::span(bytes)))).close();
}

void write_confinement(JsonWriter& w, const LaunchPlan& plan) {
    write_program(w, "seccomp", plan.seccomp);
    if (plan.seccomp_flags != 0)
        w.key("seccompFlags").text(fmt::format("0x{:x}", plan.seccomp_flags));
    if (!plan.seccomp_answer.empty()) write_program(w, "seccompAnswer", plan.seccomp_answer);
    if (plan.tell != 0) w.key("tell").number(plan.tell);
    write_program(w, "deviceFilter", plan.device_filter);
    w.key("landlock").open_object();
    w.key("handled").text(fmt::format("0x{:x}", plan.landlock_handled));
    w.key("rules").open_array().compact(true);
    for (const auto& r : plan.landlock) {
        w.open_object().key("path").text(r.path);
        w.key("access").text(fmt::format("0x{:x}", r.access)).close();
    }
    w.compact(false).close().close();
    w.key("apparmor").text(plan.apparmor);
}

void write_limits(JsonWriter& w, const char* key, const std::vector<CgroupLimit>& limits) {
    w.key(key).open_array().compact(true);
    for (const auto& l : limits) {
        w.open_object().key("file").text(l.file).key("value").text(l.value);
        w.key("controller").text(l.controller).key("optional").boolean(l.optional);
        w.key("pointer").text(l.pointer).close();
    }
    w.compact(false).close();
}

void write_life(JsonWriter& w, const LaunchPlan& plan) {
    write_limits(w, "cgroup", plan.cgroup);
    write_limits(w, "backgroundCgroup", plan.background_cgroup);
    std::vector<std::string> modem;
    if (plan.modem.data) modem.emplace_back("data");
    if (plan.modem.emergency) modem.emplace_back("emergency");
    if (plan.modem.sms) modem.emplace_back("sms");
    if (plan.modem.voice) modem.emplace_back("voice");
    if (!modem.empty()) w.key("modem").texts(modem);
    if (plan.audio.any()) {
        w.key("audio").open_object().key("playback");
        w.text(word_at(kPresenceNames, plan.audio.playback)).key("capture");
        w.text(word_at(kPresenceNames, plan.audio.capture)).key("whenTaken");
        w.text(word_at(kWhenTakenNames, plan.audio.when_taken)).close();
    }
    if (plan.display.shown) {
        w.key("display").open_object().key("input").boolean(plan.display.input);
        w.key("title").text(plan.display.title);
        w.key("color").text(fmt::format("#{:06x}", plan.display.color));
        if (plan.display.leases) w.key("leases").boolean(true);
        if (plan.display.when_lost != DisplayLost::keep)
            w.key("whenLost").text(word_at(kDisplayLostNames, plan.display.when_lost));
        if (plan.display.scrambles) w.key("scramblePad").boolean(true);
        w.key("protocols").texts(plan.display.protocols).close();
    }
    write_network(w, plan.network);
    const Session& s = plan.session;
    w.key("session").open_object().key("autostart").boolean(s.autostart);
    w.key("background").text(word_at(kBackgroundNames, s.background));
    w.key("onLock").text(word_at(kOnLockNames, s.on_lock));
    w.key("lockAfterMs").number(s.lock_after_ms);
    std::vector<std::string> moments;
    for (const LockAt at : s.lock_at) moments.emplace_back(word_at(kLockAtNames, at));
    w.key("lockAt").texts(moments).key("evictAfterMs").number(s.evict_after_ms);
    w.key("eraseAfterFailures").number(s.erase_after_failures);
    if (s.fingerprint_within_ms != 0) w.key("fingerprintWithinMs").number(s.fingerprint_within_ms);
    if (s.notifications != Notifications::off)
        w.key("notifications").text(word_at(kNotificationsNames, s.notifications));
    if (s.idle_inhibit) w.key("idleInhibit").text("foreground");
    w.key("stopTimeoutMs").number(s.stop_timeout_ms).close().key("hooks").open_array();
    for (const auto& h : plan.hooks) {
        w.open_object().key("point").text(hook_point_name(h.point)).key("path").text(h.path);
        w.key("args").texts(h.args).key("timeoutMs").number(h.timeout_ms).close();
    }
    w.close();
}

void write_root(JsonWriter& w, std::string_view key, const RootImage& root) {
    w.key(key).open_object().key("path").text(root.path);
    w.key("filesystem").text(root.filesystem);
    if (!root.root_hash.empty()) w.key("rootHash").text(root.root_hash);
    if (!root.tree.empty()) w.key("hashImage").text(root.tree);
    w.close();
}

}  // namespace

std::string to_json(const LaunchPlan& plan) {
    JsonWriter w;
    w.open_object().key("mode").text(plan.mode).key("hostname").text(plan.hostname);
    write_root(w, "root", plan.root);
    if (!plan.fallback.path.empty()) {
        write_root(w, "fallback", plan.fallback);
        w.key("readyAfterMs").number(plan.ready_after_ms);
    }
    write_volumes(w, plan.volumes);
    write_ids(w, "uidMap", plan.uid_map);
    write_ids(w, "gidMap", plan.gid_map);
    w.key("namespaces").texts(bit_names(plan.namespaces, namespace_names()));
    w.key("timeOffsets").open_object().key("monotonic").number(plan.monotonic_offset);
    w.key("boottime").number(plan.boottime_offset).close();
    write_mounts(w, plan.mounts);
    write_nodes(w, plan.device_nodes);
    write_process(w, plan.process);
    write_confinement(w, plan);
    write_life(w, plan);
    return w.close().take();
}

// Nobody asks again what a container's was: it has a bundle.
std::vector<std::byte> encode(const LaunchPlan& plan) {
    return encode(plan, plan.container ? "" : to_json(plan));
}

}  // namespace pmos::policy
