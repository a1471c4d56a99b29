// policy: the flat image of a plan back to the LaunchPlan it was made of. No host reads.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

#include "policy/launch_plan.h"
#include "policy/names.h"
#include "policy/plan_network.h"
#include "policy/syscall_filter.h"

namespace pmos::policy {
namespace {

// Follows offsets without looking: the caller has had the image checked.
class ImageReader {
  public:
    explicit ImageReader(std::span<const std::byte> image) : data_(image.data()) {}

    const image::Header& header() const { return *reinterpret_cast<const image::Header*>(data_); }
    std::string text(image::Text text) const {
        return {reinterpret_cast<const char*>(data_ + text.offset), text.size};
    }
    template <class T>
    std::span<const T> table(image::Table<T> table) const {
        return {reinterpret_cast<const T*>(data_ + table.offset), table.count};
    }
    std::vector<std::string> texts(image::Table<image::Text> rows) const {
        std::vector<std::string> out;
        for (const auto row : table(rows)) out.push_back(text(row));
        return out;
    }
    template <class T>
    std::vector<std::uint8_t> bytes(image::Table<T> rows) const {
        const auto raw = std::as_bytes(table(rows));
        std::vector<std::uint8_t> out(raw.size());
        if (!raw.empty()) std::memcpy(out.data(), raw.data(), raw.size());
        return out;
    }

  private:
    const std::byte* data_;
};

std::vector<IdMap> id_maps(std::span<const image::IdMap> rows) {
    std::vector<IdMap> out;
    for (const auto& m : rows) out.push_back({m.inside, m.outside, m.count});
    return out;
}

std::vector<CgroupLimit> limits(const nlohmann::json& list) {
    std::vector<CgroupLimit> out;
    for (const auto& l : list)
        out.push_back(
            {l.at("file"), l.at("value"), l.at("controller"), l.at("optional"), l.at("pointer")});
    return out;
}

std::vector<MountOp> mounts(const ImageReader& in) {
    std::vector<MountOp> out;
    for (const auto& row : in.table(in.header().mounts)) {
        MountOp op;
        op.kind = row.kind;
        op.source = in.text(row.source);
        op.target = in.text(row.target);
        op.attributes = row.attributes;
        op.idmapped = row.idmapped != 0;
        for (const auto& o : in.table(row.options))
            op.options.emplace_back(in.text(o.key), in.text(o.value));
        out.push_back(std::move(op));
    }
    return out;
}

std::vector<DeviceNode> nodes(const ImageReader& in) {
    std::vector<DeviceNode> out;
    for (const auto& n : in.table(in.header().device_nodes))
        out.push_back({in.text(n.path), n.type, n.major, n.minor, n.mode, n.uid, n.gid,
                       in.text(n.link), "", false});
    return out;
}

Process process(const ImageReader& in) {
    const auto& h = in.header();
    Process p;
    p.args = in.texts(h.args);
    p.env = in.texts(h.env);
    p.cwd = in.text(h.cwd);
    p.uid = h.uid;
    p.gid = h.gid;
    p.umask = h.umask;
    std::ranges::copy(in.table(h.additional_gids), std::back_inserter(p.additional_gids));
    for (const auto& r : in.table(h.rlimits)) p.rlimits.push_back({r.resource, r.soft, r.hard});
    p.capabilities = {h.cap_bounding, h.cap_effective, h.cap_permitted, h.cap_inheritable,
                      h.cap_ambient};
    p.oom_score_adj = h.oom_score_adj;
    return p;
}

// The value of an enumeration whose words are listed in its order.
template <class Enum>
Enum value_in(std::string_view list, const std::string& word) {
    const auto words = split_list(list);
    return static_cast<Enum>(std::ranges::find(words, word) - words.begin());
}

Volume volume(const nlohmann::json& j) {
    Volume v;
    v.name = j.at("name");
    v.dm_name = j.at("dmName");
    v.target = j.at("target");
    v.source = j.at("source");
    v.block_device = j.at("blockDevice");
    v.size = j.at("size");
    v.filesystem = j.at("filesystem");
    v.cipher = j.at("cipher");
    v.key_bits = j.at("keyBits");
    v.sector_size = j.at("sectorSize");
    v.pbkdf = j.at("pbkdf");
    v.pbkdf_memory_max = j.at("pbkdfMemoryMax");
    v.pbkdf_time_ms = j.at("pbkdfTimeMs");
    v.integrity = j.at("integrity");
    v.discards = j.at("discards");
    v.header = j.value("header", "");
    v.key_source = value_in<KeySource>(kKeySourceNames, j.at("keySource"));
    v.key_file = j.value("keyFile", "");
    v.unlock = j.at("unlock");
    v.pcrs = j.value("pcrs", 0U);
    v.tpm_throttle = j.value("tpmThrottle", false);
    v.escrow = j.value("escrow", "");
    return v;
}

RootImage root_image(const nlohmann::json& j) {
    return {j.at("path"), j.at("filesystem"), j.value("rootHash", ""), j.value("hashImage", "")};
}

// What only the readable form has.
void take_readable(const nlohmann::json& j, LaunchPlan& plan) {
    plan.root = root_image(j.at("root"));
    if (j.contains("fallback")) {
        plan.fallback = root_image(j.at("fallback"));
        plan.ready_after_ms = j.at("readyAfterMs");
    }
    for (const auto& v : j.at("volumes")) plan.volumes.push_back(volume(v));
    for (std::size_t i = 0; i < plan.device_nodes.size(); ++i) {
        const auto& node = j.at("deviceNodes").at(i);
        plan.device_nodes[i].device_class = node.value("class", "");
        plan.device_nodes[i].foreground = node.value("foreground", false);
    }
    plan.cgroup = limits(j.at("cgroup"));
    plan.background_cgroup = limits(j.at("backgroundCgroup"));
    for (const std::string service : j.value("modem", nlohmann::json::array())) {
        plan.modem.sms = plan.modem.sms || service == "sms";
        plan.modem.voice = plan.modem.voice || service == "voice";
        plan.modem.data = plan.modem.data || service == "data";
        plan.modem.emergency = plan.modem.emergency || service == "emergency";
    }
    if (const auto audio = j.find("audio"); audio != j.end())
        plan.audio = {value_in<Presence>(kPresenceNames, audio->at("playback")),
                      value_in<Presence>(kPresenceNames, audio->at("capture")),
                      value_in<WhenTaken>(kWhenTakenNames, audio->at("whenTaken"))};
    if (const auto display = j.find("display"); display != j.end()) {
        plan.display.shown = true;
        plan.display.input = display->at("input");
        plan.display.leases = display->value("leases", false);
        plan.display.scrambles = display->value("scramblePad", false);
        plan.display.when_lost =
            value_in<DisplayLost>(kDisplayLostNames, display->value("whenLost", "keep"));
        plan.display.title = display->at("title");
        plan.display.protocols = display->at("protocols");
        const std::string color = display->at("color");
        std::from_chars(color.data() + 1, color.data() + color.size(), plan.display.color, 16);
    }
    plan.network = read_network(j.at("network"));
    const auto& session = j.at("session");
    plan.session.autostart = session.at("autostart");
    plan.session.background = value_in<Background>(kBackgroundNames, session.at("background"));
    plan.session.on_lock = value_in<OnLock>(kOnLockNames, session.at("onLock"));
    plan.session.stop_timeout_ms = session.at("stopTimeoutMs");
    plan.session.lock_after_ms = session.at("lockAfterMs");
    plan.session.evict_after_ms = session.at("evictAfterMs");
    plan.session.erase_after_failures = session.value("eraseAfterFailures", 0U);
    plan.session.fingerprint_within_ms = session.value("fingerprintWithinMs", 0U);
    plan.session.notifications =
        value_in<Notifications>(kNotificationsNames, session.value("notifications", "off"));
    plan.session.idle_inhibit = session.value("idleInhibit", "") == "foreground";
    for (const auto& at : session.at("lockAt"))
        plan.session.lock_at.push_back(value_in<LockAt>(kLockAtNames, at));
    for (const auto& h : j.at("hooks"))
        plan.hooks.push_back({value_in<HookPoint>(kHookPointNames, h.at("point")), h.at("path"),
                              h.at("args"), h.at("timeoutMs")});
}

}  // namespace

std::optional<LaunchPlan> decode(std::span<const std::byte> image) try {
    const ImageReader in(image);
    const auto& h = in.header();
    if (h.container != 0) return std::nullopt;
    LaunchPlan plan;
    plan.mode = in.text(h.mode);
    plan.hostname = in.text(h.hostname);
    plan.uid_map = id_maps(in.table(h.uid_map));
    plan.gid_map = id_maps(in.table(h.gid_map));
    plan.namespaces = h.namespaces;
    plan.monotonic_offset = h.monotonic_offset;
    plan.boottime_offset = h.boottime_offset;
    plan.mounts = mounts(in);
    plan.device_nodes = nodes(in);
    plan.process = process(in);
    plan.seccomp = in.bytes(h.seccomp);
    plan.seccomp_flags = h.seccomp_flags;
    plan.tell = h.tell;
    plan.seccomp_answer = in.bytes(h.seccomp_answer);
    plan.landlock_handled = h.landlock_handled;
    for (const auto& r : in.table(h.landlock)) plan.landlock.push_back({in.text(r.path), r.access});
    plan.apparmor = in.text(h.apparmor);
    plan.device_filter = in.bytes(h.device_filter);
    take_readable(nlohmann::json::parse(in.text(h.json)), plan);
    // Whatever another build wrote differently, or somebody changed, shows here.
    if (!std::ranges::equal(encode(plan), image)) return std::nullopt;
    return plan;
} catch (const nlohmann::json::exception&) {
    return std::nullopt;
}

}  // namespace pmos::policy
