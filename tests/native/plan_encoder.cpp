// native tests: a plan image out of a LaunchPlan. Knows nothing of how the launcher reads it.
#include "plan_encoder.h"

#include <cstring>
#include <string>

namespace pmos::test {
namespace {

namespace image = policy::image;

class Writer {
  public:
    Writer() : bytes_(sizeof(image::Header)) {}
    image::Text text(const std::string& s) {
        if (s.empty()) return {};
        const auto offset = static_cast<std::uint32_t>(bytes_.size());
        append(s.c_str(), s.size() + 1);
        return {offset, static_cast<std::uint32_t>(s.size())};
    }
    template <class T>
    image::Table<T> table(const std::vector<T>& rows) {
        bytes_.resize((bytes_.size() + 7) / 8 * 8);
        const auto offset = static_cast<std::uint32_t>(bytes_.size());
        append(rows.data(), rows.size() * sizeof(T));
        return {offset, static_cast<std::uint32_t>(rows.size())};
    }
    std::vector<std::byte> finish(image::Header header) {
        std::memcpy(header.magic, image::kMagic, sizeof header.magic);
        header.version = image::kVersion;
        header.size = static_cast<std::uint32_t>(bytes_.size());
        std::memcpy(bytes_.data(), &header, sizeof header);
        return std::move(bytes_);
    }

  private:
    void append(const void* data, std::size_t size) {
        const auto* from = static_cast<const std::byte*>(data);
        bytes_.insert(bytes_.end(), from, from + size);
    }
    std::vector<std::byte> bytes_;
};

image::Table<image::IdMap> id_maps(Writer& w, const std::vector<policy::IdMap>& maps) {
    std::vector<image::IdMap> rows;
    for (const auto& m : maps) rows.push_back({m.inside, m.outside, m.count, 0});
    return w.table(rows);
}

image::Table<image::Text> texts(Writer& w, const std::vector<std::string>& strings) {
    std::vector<image::Text> rows;
    for (const auto& s : strings) rows.push_back(w.text(s));
    return w.table(rows);
}

image::Table<image::MountOp> mounts(Writer& w, const std::vector<policy::MountOp>& ops) {
    std::vector<image::MountOp> rows;
    for (const auto& op : ops) {
        std::vector<image::Option> options;
        for (const auto& [key, value] : op.options) options.push_back({w.text(key), w.text(value)});
        rows.push_back({op.kind, op.idmapped ? 1U : 0U, op.attributes, w.text(op.source),
                        w.text(op.target), w.table(options)});
    }
    return w.table(rows);
}

image::Table<image::DeviceNode> nodes(Writer& w, const std::vector<policy::DeviceNode>& list) {
    std::vector<image::DeviceNode> rows;
    for (const auto& n : list)
        rows.push_back(
            {n.type, n.major, n.minor, n.mode, n.uid, n.gid, w.text(n.path), w.text(n.link)});
    return w.table(rows);
}

void process(Writer& w, const policy::Process& p, image::Header& h) {
    h.args = texts(w, p.args);
    h.env = texts(w, p.env);
    h.cwd = w.text(p.cwd);
    h.uid = p.uid;
    h.gid = p.gid;
    h.umask = p.umask;
    h.oom_score_adj = p.oom_score_adj;
    h.additional_gids = w.table(p.additional_gids);
    std::vector<image::Rlimit> limits;
    for (const auto& r : p.rlimits) limits.push_back({r.resource, 0, r.soft, r.hard});
    h.rlimits = w.table(limits);
    h.cap_bounding = p.capabilities.bounding;
    h.cap_effective = p.capabilities.effective;
    h.cap_permitted = p.capabilities.permitted;
    h.cap_inheritable = p.capabilities.inheritable;
    h.cap_ambient = p.capabilities.ambient;
}

}  // namespace

std::vector<std::byte> encode_plan(const policy::LaunchPlan& plan) {
    Writer w;
    image::Header h;
    h.mode = w.text(plan.mode);
    h.hostname = w.text(plan.hostname);
    h.apparmor = w.text(plan.apparmor);
    h.namespaces = plan.namespaces;
    h.monotonic_offset = plan.monotonic_offset;
    h.boottime_offset = plan.boottime_offset;
    h.uid_map = id_maps(w, plan.uid_map);
    h.gid_map = id_maps(w, plan.gid_map);
    h.mounts = mounts(w, plan.mounts);
    h.device_nodes = nodes(w, plan.device_nodes);
    process(w, plan.process, h);
    std::vector<image::Instruction> code(plan.seccomp.size() / sizeof(image::Instruction));
    std::memcpy(code.data(), plan.seccomp.data(), code.size() * sizeof(image::Instruction));
    h.seccomp = w.table(code);
    h.landlock_handled = plan.landlock_handled;
    std::vector<image::LandlockRule> rules;
    for (const auto& r : plan.landlock) rules.push_back({w.text(r.path), r.access});
    h.landlock = w.table(rules);
    return w.finish(h);
}

}  // namespace pmos::test
