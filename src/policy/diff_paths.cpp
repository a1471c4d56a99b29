// policy: diff: which paths, kernel objects and numbers a mode reaches, and what its mounts admit.
// Asks no host.
#include <fmt/format.h>
#include <linux/mount.h>

#include <map>
#include <tuple>

#include "policy/diff_parts.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

using enum ChangeKind;
using image::MountKind;

struct RightKind {
    Right right{};
    ChangeKind kind{};
    Danger weight{};
    std::string_view verb;
};
constexpr RightKind kRights[] = {{right_write, ChangeKind::write, Danger::serious, "write"},
                                 {right_execute, execute, Danger::serious, "execute from"},
                                 {right_read, read, Danger::moderate, "read"}};

bool is_path(const Access& a) { return a.kind == Resource::tree || a.kind == Resource::volume; }

std::string thing(const Access& a) {
    if (a.kind == Resource::volume) return fmt::format("its volume at '{}'", a.how);
    return fmt::format("the host's '{}' (at '{}')", shown(a.resource), a.how);
}

const Access* find(const std::vector<Access>& in, const Access& like) {
    const auto it = std::ranges::find_if(in, [&](const Access& a) {
        // A volume that moves is the same one.
        return a.kind == like.kind &&
               (a.kind == Resource::volume ? a.how == like.how
                                           : a.resource == like.resource && a.how == like.how);
    });
    return it == in.end() ? nullptr : &*it;
}

// A directory of the host that comes or goes: one change, by the worst of its rights.
void whole_tree(Teller& t, Turn turn, const Access& access) {
    std::vector<std::string_view> verbs;
    const RightKind* worst = nullptr;
    for (const auto& r : kRights)
        if ((access.rights & r.right) != 0) {
            if (worst == nullptr) worst = &r;
            verbs.push_back(r.verb);
        }
    if (worst == nullptr) return;
    std::ranges::reverse(verbs);
    const Location none_a = t.a.where("mounts"), none_b = t.b.where("mounts");
    t.say(worst->kind, turn, worst->weight, access.resource,
          fmt::format("{} may {}{} {}", t.m, pick(turn, "", "no longer "),
                      fmt::join(verbs, " and "), thing(access)),
          turn == Turn::gain ? none_a : access.at, turn == Turn::gain ? access.at : none_b);
}

void compare_paths(Teller& t) {
    for (const auto& a : t.a.reach)
        if (is_path(a) && find(t.b.reach, a) == nullptr && a.kind == Resource::tree)
            whole_tree(t, Turn::loss, a);
    for (const auto& b : t.b.reach) {
        if (!is_path(b)) continue;
        const Access* a = find(t.a.reach, b);
        if (a == nullptr) {
            if (b.kind == Resource::tree) whole_tree(t, Turn::gain, b);
            continue;
        }
        for (const auto& r : kRights) {
            const bool was = (a->rights & r.right) != 0, is = (b.rights & r.right) != 0;
            if (was != is)
                t.say(r.kind, turn_of(was, is), r.weight, b.resource,
                      fmt::format("{} may {}{} {}", t.m, is ? "" : "no longer ", r.verb, thing(b)),
                      a->at, b.at);
        }
    }
}

// Objects of the kernel, one change each.
void compare_kernel(Teller& t) {
    const auto of = [](const Half& half) {
        std::map<std::string_view, const Access*> out;
        for (const auto& a : half.reach)
            if (a.kind == Resource::kernel) out[a.resource] = &a;
        return out;
    };
    const auto a = of(t.a), b = of(t.b);
    std::set<std::string_view> names;
    for (const auto* side : {&a, &b})
        for (const auto& [name, access] : *side) names.insert(name);
    for (const auto name : names) {
        const auto x = a.find(name), y = b.find(name);
        const std::uint8_t was = x == a.end() ? 0 : x->second->rights;
        const std::uint8_t is = y == b.end() ? 0 : y->second->rights;
        if (was == is) continue;
        const Turn turn = (was & ~is) == 0   ? Turn::gain
                          : (is & ~was) == 0 ? Turn::loss
                                             : Turn::change;
        const auto rights = static_cast<std::uint8_t>(was ^ is);
        const Access& how = *(turn == Turn::loss ? x->second : y->second);
        t.say(kernel, turn, Danger::serious, std::string(name),
              fmt::format("{} may {}{} the kernel's '{}' ({}), which no namespace covers", t.m,
                          pick(turn, "", "no longer "), rights_text(rights), name, how.how),
              x == a.end() ? t.a.where("seccomp/allow") : x->second->at,
              y == b.end() ? t.b.where("seccomp/allow") : y->second->at);
    }
}

// Numbers about the whole machine: all of one turn together.
void compare_counters(Teller& t) {
    std::map<std::string_view, bool> was;
    for (const auto& a : t.a.reach)
        if (a.kind == Resource::counter) was[a.resource] = (a.rights & right_read) != 0;
    std::map<Turn, std::vector<std::string>> turned;
    for (const auto& b : t.b.reach) {
        if (b.kind != Resource::counter) continue;
        const bool is = (b.rights & right_read) != 0;
        if (is != was[b.resource]) turned[is ? Turn::gain : Turn::loss].push_back(b.resource);
    }
    // A wall of its own, which these numbers then are a part of.
    const auto from = t.a.text("procSubset"), to = t.b.text("procSubset");
    if (from != to) {
        const Turn turn = to == "all" ? Turn::gain : Turn::loss;
        auto& change = t.say(confinement, turn, Danger::moderate, "procSubset",
                             fmt::format("{}'s /proc {}", t.m,
                                         pick(turn, "tells of the whole machine",
                                              "holds the mode's processes and nothing else")),
                             "procSubset");
        change.items = std::move(turned[turn]);
        turned.erase(turn);
    }
    for (auto& [turn, names] : turned) {
        auto& change = t.say(counter, turn, Danger::slight, fmt::format("{} numbers", names.size()),
                             fmt::format("{} {} numbers about the whole machine: {}", t.m,
                                         pick(turn, "reads more", "no longer reads"), some(names)),
                             "seccomp/allow");
        change.items = std::move(names);
    }
}

// Who stands between the modes that share a device.
void compare_arbiters(Teller& t) {
    for (const auto& b : t.b.reach) {
        if (b.kind != Resource::device) continue;
        const Access* a = nullptr;
        for (const auto& access : t.a.reach)
            if (access.kind == Resource::device && access.resource == b.resource) a = &access;
        if (a == nullptr || a->by == b.by) continue;
        const Turn turn = b.by.empty() ? Turn::gain : a->by.empty() ? Turn::loss : Turn::change;
        const std::string words =
            b.by.empty()
                ? fmt::format(
                      "nobody stands between {} and the other modes at the device "
                      "'{}' any more: it was {}",
                      t.m, b.resource, a->by)
                : fmt::format("between {} and the other modes at the device '{}' stands {}", t.m,
                              b.resource, b.by);
        t.say(device, turn, Danger::serious, b.resource, words, a->at, b.at);
    }
}

const MountOp* mount_at(const Half& half, const std::string& target) {
    const auto it = std::ranges::find_if(half.plan.mounts, [&](const MountOp& op) {
        const bool store = op.kind == MountKind::volume ||
                           (op.kind == MountKind::bind && !is_brokers(op)) ||
                           (op.kind == MountKind::filesystem && op.source == "tmpfs");
        return store && op.target == target;
    });
    return it == half.plan.mounts.end() ? nullptr : &*it;
}

Location mount_place(const Half& half, const std::string& target) {
    for (const auto& m : half.profile.mounts)
        if (m.target == target) return m.at;
    for (const auto& v : half.profile.volumes)
        if (v.target == target) return v.at;
    return half.where("mounts");
}

bool is_memory(const MountOp& op) { return op.kind == MountKind::filesystem; }

std::uint64_t size_of(const MountOp& op) {
    for (const auto& [key, value] : op.options)
        if (key == "size") return std::stoull(value);
    return 0;
}

struct AttributeKind {
    std::uint64_t bit = 0;
    std::string_view name;
    Danger weight{};
    std::uint8_t right = 0;  // of reach(), which tells of it where it can
};
constexpr AttributeKind kAttributes[] = {
    {MOUNT_ATTR_RDONLY, "ro", Danger::moderate, right_write},
    {MOUNT_ATTR_NOEXEC, "noexec", Danger::serious, right_execute},
    {MOUNT_ATTR_NOSUID, "nosuid", Danger::serious, 0},
    {MOUNT_ATTR_NODEV, "nodev", Danger::serious, 0},
    {MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow", Danger::slight, 0},
    {MOUNT_ATTR_NOATIME, "noatime", Danger::none, 0},
};

bool told_by_reach(const Teller& t, const MountOp& a, std::uint8_t right) {
    const auto rights = [&](const Half& half) {
        std::uint8_t found = 0;
        for (const auto& access : half.reach)
            if (is_path(access) && access.how == a.target) found |= access.rights;
        return found;
    };
    return ((rights(t.a) ^ rights(t.b)) & right) != 0;
}

// The same mount on both sides: what it admits, and how much it holds.
void compare_mount(Teller& t, const MountOp& a, const MountOp& b) {
    const Location at_a = mount_place(t.a, a.target), at_b = mount_place(t.b, b.target);
    for (const auto& attribute : kAttributes) {
        const bool was = (a.attributes & attribute.bit) != 0,
                   is = (b.attributes & attribute.bit) != 0;
        if (was == is || (!is_memory(a) && told_by_reach(t, a, attribute.right))) continue;
        const Turn turn = attribute.weight == Danger::none ? Turn::change
                          : was                            ? Turn::gain
                                                           : Turn::loss;
        t.say(mount_option, turn, attribute.weight, fmt::format("{} {}", a.target, attribute.name),
              fmt::format("{}'s mount at '{}' {} '{}'", t.m, a.target,
                          is ? "now has" : "no longer has", attribute.name),
              at_a, at_b);
    }
    if (is_memory(a) && size_of(a) != size_of(b))
        t.say(limit, turn_of(size_of(a), size_of(b)), Danger::slight, a.target + " size",
              fmt::format("{}'s memory at '{}' holds {} instead of {}", t.m, a.target,
                          size_words(size_of(b)), size_words(size_of(a))),
              at_a, at_b);
}

bool same_thing(const MountOp& a, const MountOp& b) {
    return a.kind == b.kind && (a.kind == MountKind::volume || a.source == b.source);
}

}  // namespace

void compare_reach(Teller& t) {
    compare_paths(t);
    compare_kernel(t);
    compare_counters(t);
    compare_arbiters(t);
}

void compare_mounts(Teller& t) {
    std::set<std::string> targets;
    for (const auto* half : {&t.a, &t.b})
        for (const auto& op : half->plan.mounts)
            if (mount_at(*half, op.target) != nullptr) targets.insert(op.target);
    for (const auto& target : targets) {
        const MountOp *a = mount_at(t.a, target), *b = mount_at(t.b, target);
        if (a != nullptr && b != nullptr && same_thing(*a, *b)) {
            compare_mount(t, *a, *b);
            continue;
        }
        // Directories of the host and volumes are told elsewhere.
        for (const auto& [turn, op] : {std::pair(Turn::gain, b), std::pair(Turn::loss, a)}) {
            if (op == nullptr || !is_memory(*op)) continue;
            const bool executes = (op->attributes & MOUNT_ATTR_NOEXEC) == 0;
            t.say(
                executes ? execute : ChangeKind::write, turn,
                executes ? Danger::serious : Danger::slight, target,
                fmt::format("{} {} memory of its own at '{}'{}", t.m, pick(turn, "gains", "loses"),
                            target, executes ? ", from which it may execute" : ""),
                mount_place(t.a, target), mount_place(t.b, target));
        }
    }
}

}  // namespace pmos::policy
