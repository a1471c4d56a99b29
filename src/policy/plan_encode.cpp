// policy: a LaunchPlan to the flat image of plan_image.h. Deterministic; no host reads.
#include <array>
#include <cstring>

#include "policy/launch_plan.h"
#include "policy/syscall_filter.h"

namespace pmos::policy {
namespace {

class ImageBuilder {
  public:
    ImageBuilder() : bytes_(sizeof(image::Header)) {}

    image::Text text(std::string_view value) {
        if (value.empty()) return {};
        const auto offset = static_cast<std::uint32_t>(bytes_.size());
        const auto raw = std::as_bytes(std::span(value));
        bytes_.insert(bytes_.end(), raw.begin(), raw.end());
        bytes_.push_back(std::byte{0});
        return {offset, static_cast<std::uint32_t>(value.size())};
    }
    template <class T>
    image::Table<T> table(const std::vector<T>& rows) {
        static_assert(std::is_trivially_copyable_v<T>);
        if (rows.empty()) return {};
        bytes_.resize((bytes_.size() + 7) / 8 * 8);
        const auto offset = static_cast<std::uint32_t>(bytes_.size());
        const auto raw = std::as_bytes(std::span(rows));
        bytes_.insert(bytes_.end(), raw.begin(), raw.end());
        return {offset, static_cast<std::uint32_t>(rows.size())};
    }
    image::Table<image::Text> texts(const std::vector<std::string>& values) {
        std::vector<image::Text> rows;
        for (const auto& value : values) rows.push_back(text(value));
        return table(rows);
    }
    std::vector<std::byte> finish(image::Header header) {
        bytes_.resize((bytes_.size() + 7) / 8 * 8);
        header.size = static_cast<std::uint32_t>(bytes_.size());
        std::memcpy(bytes_.data(), &header, sizeof header);
        return std::move(bytes_);
    }

  private:
    std::vector<std::byte> bytes_;
};

image::Table<image::IdMap> id_maps(ImageBuilder& b, const std::vector<IdMap>& maps) {
    std::vector<image::IdMap> rows;
    for (const auto& m : maps) rows.push_back({m.inside, m.outside, m.count, 0});
    return b.table(rows);
}

image::Table<image::MountOp> mounts(ImageBuilder& b, const std::vector<MountOp>& ops) {
    std::vector<image::MountOp> rows;
    for (const auto& op : ops) {
        std::vector<image::Option> options;
        for (const auto& [key, value] : op.options) options.push_back({b.text(key), b.text(value)});
        image::MountOp row;
        row.kind = op.kind;
        row.idmapped = op.idmapped ? 1 : 0;
        row.attributes = op.attributes;
        row.source = b.text(op.source);
        row.target = b.text(op.target);
        row.options = b.table(options);
        row.flags = op.flags;
        row.propagation = op.propagation;
        row.cleared = op.cleared;
        row.deep_attributes = op.deep_attributes;
        row.deep_cleared = op.deep_cleared;
        rows.push_back(row);
    }
    return b.table(rows);
}

image::Table<image::DeviceNode> nodes(ImageBuilder& b, const std::vector<DeviceNode>& list) {
    std::vector<image::DeviceNode> rows;
    for (const auto& n : list)
        rows.push_back(
            {n.type, n.major, n.minor, n.mode, n.uid, n.gid, b.text(n.path), b.text(n.link)});
    return b.table(rows);
}

void put_process(ImageBuilder& b, const Process& p, image::Header& h) {
    h.cwd = b.text(p.cwd);
    h.args = b.texts(p.args);
    h.env = b.texts(p.env);
    h.additional_gids = b.table(p.additional_gids);
    std::vector<image::Rlimit> rlimits;
    for (const auto& r : p.rlimits) rlimits.push_back({r.resource, 0, r.soft, r.hard});
    h.rlimits = b.table(rlimits);
    h.cap_bounding = p.capabilities.bounding;
    h.cap_effective = p.capabilities.effective;
    h.cap_permitted = p.capabilities.permitted;
    h.cap_inheritable = p.capabilities.inheritable;
    h.cap_ambient = p.capabilities.ambient;
    h.uid = p.uid;
    h.gid = p.gid;
    h.umask = p.umask;
    h.oom_score_adj = p.oom_score_adj;
}

void put_container(ImageBuilder& b, const Container& c, image::Header& h) {
    h.container = c.flags;
    h.root_propagation = c.root_propagation;
    h.joined = c.joined;
    if (c.personality) h.personality = *c.personality;
    h.domainname = b.text(c.domainname);
    std::vector<image::Option> sysctl;
    for (const auto& [path, value] : c.sysctl) sysctl.push_back({b.text(path), b.text(value)});
    h.sysctl = b.table(sysctl);
    std::vector<image::ContainerHook> hooks;
    for (const auto& hook : c.hooks)
        hooks.push_back({hook.at_start ? 1U : 0U, hook.timeout_ms, b.text(hook.path),
                         b.texts(hook.args), b.texts(hook.env)});
    h.hooks = b.table(hooks);
}

}  // namespace

std::vector<std::byte> encode(const LaunchPlan& plan, std::string_view json) {
    ImageBuilder b;
    image::Header h;
    std::memcpy(h.magic, image::kMagic, sizeof h.magic);
    h.version = image::kVersion;
    h.mode = b.text(plan.mode);
    h.hostname = b.text(plan.hostname);
    h.apparmor = b.text(plan.apparmor);
    h.namespaces = plan.namespaces;
    h.monotonic_offset = plan.monotonic_offset;
    h.boottime_offset = plan.boottime_offset;
    h.uid_map = id_maps(b, plan.uid_map);
    h.gid_map = id_maps(b, plan.gid_map);
    h.mounts = mounts(b, plan.mounts);
    h.device_nodes = nodes(b, plan.device_nodes);
    put_process(b, plan.process, h);
    h.seccomp = b.table(from_bytes(plan.seccomp));
    h.seccomp_flags = plan.seccomp_flags;
    h.tell = plan.tell;
    h.seccomp_answer = b.table(from_bytes(plan.seccomp_answer));
    std::vector<image::LandlockRule> landlock;
    for (const auto& r : plan.landlock) landlock.push_back({b.text(r.path), r.access});
    h.landlock = b.table(landlock);
    h.landlock_handled = plan.landlock_handled;
    std::vector<std::uint64_t> device_filter(plan.device_filter.size() / sizeof(std::uint64_t));
    if (!device_filter.empty())
        std::memcpy(device_filter.data(), plan.device_filter.data(),
                    device_filter.size() * sizeof(std::uint64_t));
    h.device_filter = b.table(device_filter);
    if (plan.container) put_container(b, *plan.container, h);
    h.json = b.text(json);
    return b.finish(h);
}

}  // namespace pmos::policy
