// policy: faults between two profiles: what one mode would have of another's. Reads no file.
#include "policy/between.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "policy/destination.h"
#include "policy/lint.h"
#include "policy/names.h"
#include "policy/site_policy.h"

namespace pmos::policy {
namespace {

constexpr std::ptrdiff_t kMaxSame = 8;

// Faults between two profiles: each gets one, related to the other.
class CrossCheck {
  public:
    CrossCheck(std::vector<ModePolicy>& modes, const Node* site) : modes_(modes), site_(site) {}

    void all() {
        for (std::size_t i = 0; i < modes_.size(); ++i)
            for (std::size_t j = i + 1; j < modes_.size(); ++j) {
                pair(modes_[i], modes_[j]);
                demands(modes_[i], modes_[j]);
                demands(modes_[j], modes_[i]);
            }
    }

  private:
    static void both(ModePolicy& a, const Location& at_a, ModePolicy& b, const Location& at_b,
                     Rule rule, const std::string& message, const std::string& fix) {
        one(a, at_a, b, at_b, rule, message, fix);
        one(b, at_b, a, at_a, rule, message, fix);
    }
    static void one(ModePolicy& mode, const Location& at, const ModePolicy& other,
                    const Location& there, Rule rule, const std::string& message,
                    const std::string& fix) {
        if (std::ranges::count(mode.diagnostics, rule, &Diagnostic::rule) >= kMaxSame) return;
        mode.diagnostics.push_back(
            finding(rule, at, fmt::format("{} (mode '{}')", message, other.mode), fix, {there}));
    }
    void demands(ModePolicy& mode, const ModePolicy& other) const {
        if (site_ != nullptr && mode.profile && other.profile)
            check_site_between(*site_, *mode.profile, *other.profile, mode.diagnostics);
    }
    static void pair(ModePolicy& a, ModePolicy& b);
    static void images(ModePolicy& a, ModePolicy& b);
    static void volumes(ModePolicy& a, ModePolicy& b);
    static void shares(ModePolicy& a, ModePolicy& b);
    static void devices(ModePolicy& a, ModePolicy& b);
    static void modem(ModePolicy& a, ModePolicy& b);
    static void callers(ModePolicy& a, ModePolicy& b);
    static void tunnels(ModePolicy& a, ModePolicy& b);

    std::vector<ModePolicy>& modes_;
    const Node* site_;
};

void CrossCheck::pair(ModePolicy& a, ModePolicy& b) {
    if (a.mode == b.mode)
        both(a, a.profile ? a.profile->where("mode") : Location{a.file, 0, 0, ""}, b,
             b.profile ? b.profile->where("mode") : Location{b.file, 0, 0, ""},
             Rule::duplicate_mode, fmt::format("two profiles are called '{}'", a.mode),
             "rename one of them");
    if (!a.profile || !b.profile) return;
    const Profile &p = *a.profile, &q = *b.profile;
    const std::uint64_t p_end = std::uint64_t{p.id_start} + p.id_count;
    const std::uint64_t q_end = std::uint64_t{q.id_start} + q.id_count;
    if (p.id_start < q_end && q.id_start < p_end)
        both(a, p.where("identity/uidRange"), b, q.where("identity/uidRange"),
             Rule::overlapping_id_range, "the id ranges overlap",
             fmt::format("begin one of them at {} or above", std::max(p_end, q_end)));
    images(a, b);
    volumes(a, b);
    shares(a, b);
    devices(a, b);
    modem(a, b);
    callers(a, b);
    tunnels(a, b);
}

void CrossCheck::images(ModePolicy& a, ModePolicy& b) {
    const auto of = [](const Profile& p) {
        return std::array{std::pair(p.image.name, "root/image"),
                          std::pair(p.fallback.name, "root/fallback/image")};
    };
    for (const auto& [own, at] : of(*a.profile))
        for (const auto& [other, there] : of(*b.profile))
            if (!own.empty() && own == other)
                both(a, a.profile->where(at), b, b.profile->where(there), Rule::shared_image,
                     fmt::format("image '{}' is used twice", own),
                     "give each mode an image of its own");
}

std::string source_of(const Profile& p, const VolumeSpec& v) {
    if (!v.device.empty()) return v.device;
    return v.file.empty() ? fmt::format("{}/{}-{}.luks", HostFacts{}.volumes_dir, p.mode, v.name)
                          : v.file;
}

void CrossCheck::volumes(ModePolicy& a, ModePolicy& b) {
    for (const auto& v : a.profile->volumes)
        for (const auto& w : b.profile->volumes)
            // The mapping's name joins both with a hyphen: a + b-c and a-b + c would be one.
            if (a.profile->mode + "-" + v.name == b.profile->mode + "-" + w.name ||
                source_of(*a.profile, v) == source_of(*b.profile, w) ||
                (!v.header.empty() && v.header == w.header))
                both(a, v.at, b, w.at, Rule::shared_volume,
                     fmt::format("'{}' holds two volumes", source_of(*a.profile, v)),
                     "give each its own file or device");
}

bool holds(std::string_view outer, std::string_view inner) {
    return inner == outer || (inner.starts_with(outer) && inner[outer.size()] == '/');
}

void CrossCheck::shares(ModePolicy& a, ModePolicy& b) {
    const auto writable = [](const MountSpec& m) { return has_word(m.options, "rw"); };
    for (const auto& m : a.profile->mounts)
        for (const auto& n : b.profile->mounts)
            if (m.type == "bind" && n.type == "bind" && (writable(m) || writable(n)) &&
                (holds(m.source, n.source) || holds(n.source, m.source)))
                both(a, m.at, b, n.at, Rule::writable_share,
                     fmt::format("'{}' is shared and writable", m.source),
                     "drop the option rw from both");
}

void CrossCheck::devices(ModePolicy& a, ModePolicy& b) {
    for (const auto& [device_class, right] : a.profile->devices) {
        const auto other = b.profile->devices.find(device_class);
        if (right == "none" || other == b.profile->devices.end() || other->second == "none")
            continue;
        const auto key = "devices/" + device_class;
        if (!unarbitrated(*a.profile, device_class).empty() ||
            !unarbitrated(*b.profile, device_class).empty())
            both(a, a.profile->where(key), b, b.profile->where(key), Rule::shared_device,
                 fmt::format("two modes have {}, and nobody arbitrates it", device_class),
                 fmt::format("deny it to one of them: \"{}\": \"none\"", device_class));
    }
}

// What comes in is one mode's, or nobody's.
void CrossCheck::modem(ModePolicy& a, ModePolicy& b) {
    const auto claims = [&](const std::string& key, const std::string& value,
                            const std::vector<std::string>& others, std::size_t own) {
        const auto same = std::ranges::find(others, value);
        if (same == others.end()) return;
        both(a, a.profile->where(fmt::format("modem/{}/{}", key, own)), b,
             b.profile->where(fmt::format("modem/{}/{}", key, same - others.begin())),
             Rule::claimed_twice, fmt::format("'{}' is claimed twice", shown(value)),
             "leave it to one of them");
    };
    const auto &p = a.profile->modem, &q = b.profile->modem;
    for (std::size_t i = 0; i < p.numbers.size(); ++i)
        claims("numbers", p.numbers[i], q.numbers, i);
    for (std::size_t i = 0; i < p.lines.size(); ++i) claims("lines", p.lines[i], q.lines, i);
    for (std::size_t i = 0; i < p.access_points.size(); ++i)
        claims("accessPoints", p.access_points[i], q.access_points, i);
    if (p.rest && q.rest)
        both(a, a.profile->where("modem/rest"), b, b.profile->where("modem/rest"),
             Rule::claimed_twice, "two modes claim the rest of what comes in",
             "leave it to one of them");
}

// Who calls a port of the phone reaches one mode.
void CrossCheck::callers(ModePolicy& a, ModePolicy& b) {
    const auto &p = a.profile->network, &q = b.profile->network;
    if (p.zone != Zone::direct || q.zone != Zone::direct) return;
    for (const auto& mine : p.inbound)
        for (const auto& other : q.inbound)
            if (mine.protocol == other.protocol && mine.port_first <= other.port_last &&
                other.port_first <= mine.port_last &&
                (contains(mine.prefix, other.prefix) || contains(other.prefix, mine.prefix)))
                both(a, a.profile->where(mine.pointer), b, b.profile->where(other.pointer),
                     Rule::claimed_twice,
                     fmt::format("'{}' and '{}' are claimed by two modes", source_text(mine),
                                 source_text(other)),
                     "give each of them ports of its own");
}

// A peer knows a mode by its address: of two with the same it serves one.
void CrossCheck::tunnels(ModePolicy& a, ModePolicy& b) {
    const auto &p = a.profile->network.tunnel, &q = b.profile->network.tunnel;
    const bool same_peer = std::ranges::any_of(p.peers, [&](const TunnelPeer& peer) {
        return std::ranges::find(q.peers, peer.public_key, &TunnelPeer::public_key) !=
               q.peers.end();
    });
    if (!same_peer) return;
    for (std::size_t i = 0; i < p.addresses.size(); ++i)
        for (std::size_t j = 0; j < q.addresses.size(); ++j)
            if (p.addresses[i].v6 == q.addresses[j].v6 &&
                p.addresses[i].bytes == q.addresses[j].bytes)
                both(a, a.profile->where(fmt::format("network/tunnel/addresses/{}", i)), b,
                     b.profile->where(fmt::format("network/tunnel/addresses/{}", j)),
                     Rule::shared_address,
                     fmt::format("the address {} is of two modes at one peer",
                                 address_text(p.addresses[i])),
                     "have the peer give each mode an address of its own");
}

}  // namespace

void check_between(std::vector<ModePolicy>& modes, const Node* site) {
    CrossCheck(modes, site).all();
}

}  // namespace pmos::policy
