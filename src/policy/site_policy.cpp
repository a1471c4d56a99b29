// policy: what the phone's owner demands of every profile. Knows no host.
#include "policy/site_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "policy/language.h"
#include "policy/names.h"
#include "policy/profile_reader.h"
#include "policy/separation.h"
#include "policy/syscalls.h"

namespace pmos::policy {
namespace {

bool lists(const Node& list, std::string_view text) {
    return std::ranges::any_of(list.items, [&](const Node& n) { return n.text == text; });
}

std::string words(const Node& list) {
    std::string out;
    for (const auto& item : list.items) out += (out.empty() ? "" : ", ") + item.text;
    return out;
}

std::set<std::string> exec_from_memory() { return {"memfd_create"}; }

class SiteCheck {
  public:
    SiteCheck(const Profile& profile, std::vector<Diagnostic>& out) : p_(profile), out_(out) {}

    void demand(const Node& demand);

  private:
    void encrypted(const Node& rule);
    void writable_share(const Node& rule);
    void unlock(const Node& never);
    void tpm_throttle(const Node& rule);
    void network(const Node& admitted);
    void notifications(const Node& admitted);
    void capabilities(const Node& never);
    void syscalls(const Node& never);
    void refuse_calls(const std::set<std::string>& refused, const Node& rule, std::string_view why);
    void exec_only_from_root(const Node& rule);
    void on_lock(const Node& least);
    void devices(const Node& classes);
    void broken(const Location& at, const Node& rule, std::string message, std::string fix = "") {
        out_.push_back(finding(Rule::site_policy, at,
                               fmt::format("{} ({})", message, to_text(rule.at)), std::move(fix),
                               {rule.at}));
    }

    const Profile& p_;
    std::vector<Diagnostic>& out_;
};

void SiteCheck::writable_share(const Node& rule) {
    for (const auto& m : p_.mounts)
        if (m.type == "bind" && has_word(m.options, "rw"))
            broken(m.at, rule, fmt::format("the site policy refuses writable '{}'", m.source),
                   "drop the option rw");
}

void SiteCheck::encrypted(const Node& rule) {
    if (p_.volumes.empty())
        broken(p_.where("volumes"), rule, "the site policy demands an encrypted volume",
               "add one to 'volumes'");
    writable_share(rule);
}

void SiteCheck::unlock(const Node& never) {
    for (std::size_t i = 0; i < p_.volumes.size(); ++i)
        for (std::size_t j = 0; j < p_.volumes[i].unlock.size(); ++j)
            if (lists(never, p_.volumes[i].unlock[j]))
                broken(p_.where(fmt::format("volumes/{}/unlock/{}", i, j)), never,
                       fmt::format("the site policy refuses to unlock by '{}'",
                                   p_.volumes[i].unlock[j]));
}

void SiteCheck::tpm_throttle(const Node& rule) {
    for (const auto& v : p_.volumes)
        if (!v.tpm_throttle)
            broken(v.at, rule,
                   fmt::format("the site policy demands that the TPM counts the wrong PINs of '{}'",
                               v.name),
                   "add \"tpm2\": { \"throttle\": true }");
}

void SiteCheck::network(const Node& admitted) {
    const auto zone = word_at(kZoneNames, p_.network.zone);
    if (!lists(admitted, zone))
        broken(p_.where("network"), admitted,
               fmt::format("the site policy refuses the network '{}'", zone),
               fmt::format("it admits: {}", words(admitted)));
}

void SiteCheck::notifications(const Node& admitted) {
    const auto told = word_at(kNotificationsNames, p_.session.notifications);
    if (!lists(admitted, std::string(told)))
        broken(p_.where("session/notifications"), admitted,
               fmt::format("the site policy refuses notifications '{}'", told),
               fmt::format("it admits: {}", words(admitted)));
}

void SiteCheck::capabilities(const Node& never) {
    const auto granted = p_.source.at_path("process/capabilities");
    if (granted == nullptr) return;
    for (const auto& item : granted->items)
        for (const auto& refused : never.items)
            if (item.text == refused.text)
                broken(item.at, refused, fmt::format("the site policy refuses {}", item.text),
                       "remove it");
}

void SiteCheck::exec_only_from_root(const Node& rule) {
    const auto refuse = [&](const std::vector<std::string>& options, const std::string& target,
                            const Location& at) {
        if (has_word(options, "exec"))
            broken(at, rule, fmt::format("the site policy refuses to execute from '{}'", target),
                   "drop the option exec");
    };
    for (const auto& v : p_.volumes) refuse(v.options, v.target, v.at);
    for (const auto& m : p_.mounts) refuse(m.options, m.target, m.at);
    refuse_calls(exec_from_memory(), rule, "a file made in memory can be executed");
}

void SiteCheck::syscalls(const Node& never) {
    for (const auto& item : never.items) {
        const auto refused = expand_syscalls(std::span(&item.text, 1));
        refuse_calls(refused, item, "");
    }
}

// The first call of each entry: a group that is refused whole would fill the screen.
void SiteCheck::refuse_calls(const std::set<std::string>& refused, const Node& rule,
                             std::string_view why) {
    const auto judge = [&](const std::set<std::string>& names, const Location& at,
                           const std::string& entry) {
        std::vector<std::string> both;
        std::ranges::set_intersection(names, refused, std::back_inserter(both));
        if (both.empty()) return;
        const auto more = both.size() == 1 ? "" : fmt::format(" and {} more", both.size() - 1);
        broken(at, rule,
               fmt::format("the site policy refuses the system call '{}'{}{}{}", both.front(), more,
                           why.empty() ? "" : ": ", why),
               entry.empty() ? "" : fmt::format("'{}' holds it: name single calls", entry));
    };
    for (std::size_t i = 0; i < p_.seccomp_allow.size(); ++i) {
        const auto& entry = p_.seccomp_allow[i];
        judge(expand_syscalls(std::span(&entry, 1)), p_.where(fmt::format("seccomp/allow/{}", i)),
              entry.starts_with('@') ? entry : "");
    }
    for (std::size_t i = 0; i < p_.seccomp_rules.size(); ++i)
        if (p_.seccomp_rules[i].verdict == verdict_allow())
            judge({p_.seccomp_rules[i].names.begin(), p_.seccomp_rules[i].names.end()},
                  p_.where(fmt::format("seccomp/rules/{}", i)), "");
}

// A stronger one is fine.
void SiteCheck::on_lock(const Node& least) {
    const auto wanted = lock_strength(&least);
    const auto message = wanted == OnLock::evict
                             ? "the site policy demands that lock evicts"
                             : "the site policy demands that lock takes the keys out of memory";
    const auto fix = fmt::format("write \"{}\"", least.text);
    if (p_.session.on_lock < wanted) broken(p_.where("session/onLock"), least, message, fix);
    for (std::size_t i = 0; i < p_.volumes.size(); ++i)
        if (p_.volumes[i].on_lock < wanted)
            broken(p_.where(fmt::format("volumes/{}/onLock", i)), least, message, fix);
}

void SiteCheck::devices(const Node& classes) {
    for (const auto& member : classes.members) {
        const auto right = p_.devices.find(member.key);
        if (right == p_.devices.end() || right->second == "none" ||
            lists(member.value, right->second))
            continue;
        // Services may be admitted one by one.
        const Node* own = p_.source.at_path("devices/" + member.key);
        const bool each = own != nullptr && own->is(Node::Kind::array) && !own->items.empty();
        if (each && std::ranges::all_of(own->items, [&](const Node& service) {
                return lists(member.value, service.text);
            }))
            continue;
        broken(p_.where("devices/" + member.key), member.value,
               fmt::format("the site policy refuses {} '{}'", member.key, right->second),
               fmt::format("it admits: {}", words(member.value)));
    }
}

bool holds_for(const Node& demand, const std::string& mode) {
    const Node* modes = demand.find("modes");
    return modes == nullptr || lists(*modes, mode);
}

// The value of a demand, unless it is false.
const Node* asked_of(const Node& demand, std::string_view key) {
    const Node* node = demand.find(key);
    return node != nullptr && (!node->is(Node::Kind::boolean) || node->boolean) ? node : nullptr;
}

void SiteCheck::demand(const Node& demand) {
    if (!holds_for(demand, p_.mode)) return;
    const auto asked = [&](std::string_view key) { return asked_of(demand, key); };
    if (const Node* rule = asked("encrypted")) encrypted(*rule);
    if (const Node* rule = asked("noWritableShare");
        rule != nullptr && asked("encrypted") == nullptr)
        writable_share(*rule);
    if (const Node* never = demand.at_path("unlock/never")) unlock(*never);
    if (const Node* rule = asked("tpmThrottle")) tpm_throttle(*rule);
    if (const Node* admitted = asked("network")) network(*admitted);
    if (const Node* admitted = demand.find("notifications")) notifications(*admitted);
    if (const Node* never = demand.at_path("capabilities/never")) capabilities(*never);
    if (const Node* never = demand.at_path("syscalls/never")) syscalls(*never);
    if (const Node* classes = demand.find("devices")) devices(*classes);
    if (const Node* rule = demand.find("onLock")) on_lock(*rule);
    if (const Node* rule = asked("execOnlyFromRoot")) exec_only_from_root(*rule);
    if (const Node* rule = asked("verity")) {
        const std::string message = "the site policy demands a verified image";
        if (p_.image.root_hash.empty())
            broken(p_.where("root"), *rule, message, "add 'verity' to 'root'");
        if (!p_.fallback.name.empty() && p_.fallback.root_hash.empty())
            broken(p_.where("root/fallback"), *rule, message, "add 'verity' to 'fallback'");
    }
}

}  // namespace

std::optional<Node> read_site_policy(const SourceFile& file, std::vector<Diagnostic>& diagnostics) {
    auto tree = read_json(file.path, file.bytes, diagnostics);
    if (!tree) return std::nullopt;
    check_shape(site_language(), *tree, true, diagnostics);
    if (has_errors(diagnostics)) return std::nullopt;
    return tree;
}

void check_site_policy(const Node& site, const Profile& profile,
                       std::vector<Diagnostic>& diagnostics) {
    const Node* require = site.find("require");
    if (require == nullptr) return;
    for (const auto& demand : require->items) SiteCheck(profile, diagnostics).demand(demand);
}

const Node* production_mark(const Node& site, const std::string& mode) {
    const Node* require = site.find("require");
    if (require == nullptr) return nullptr;
    for (const auto& demand : require->items)
        if (const Node* mark = asked_of(demand, "production"); mark && holds_for(demand, mode))
            return mark;
    return nullptr;
}

std::set<std::string> refused_syscalls(const Node& site, const std::string& mode) {
    std::set<std::string> refused;
    const Node* require = site.find("require");
    if (require == nullptr) return refused;
    for (const auto& demand : require->items) {
        if (!holds_for(demand, mode)) continue;
        if (const Node* never = demand.at_path("syscalls/never"))
            for (const auto& item : never->items)
                refused.merge(expand_syscalls(std::span(&item.text, 1)));
        if (asked_of(demand, "execOnlyFromRoot") != nullptr) refused.merge(exec_from_memory());
    }
    return refused;
}

void check_site_between(const Node& site, const Profile& profile, const Profile& other,
                        std::vector<Diagnostic>& diagnostics) {
    const Node* require = site.find("require");
    if (require == nullptr) return;
    const auto broken = [&](const Node& rule, const std::string& key, std::string message) {
        const auto at = profile.where(key), there = other.where(key);
        diagnostics.push_back(finding(Rule::site_policy, at,
                                      fmt::format("the site policy refuses it: {} '{}' too ({})",
                                                  message, other.mode, to_text(rule.at)),
                                      "deny it to one of them", {rule.at, there}));
    };
    for (const auto& demand : require->items) {
        if (!holds_for(demand, profile.mode)) continue;
        if (const Node* rule = asked_of(demand, "noSharedDevice"))
            for (const auto& [device_class, right] : profile.devices) {
                const auto theirs = other.devices.find(device_class);
                if (right != "none" && theirs != other.devices.end() && theirs->second != "none")
                    broken(*rule, "devices/" + device_class,
                           fmt::format("{} is granted to mode", device_class));
            }
        if (const Node* rule = asked_of(demand, "noSharedSegment")) {
            const auto &own = profile.network, &theirs = other.network;
            if (own.zone == Zone::direct && theirs.zone == Zone::direct)
                broken(*rule, "network", "the uplink belongs to mode");
            if (own.zone == Zone::tunnel && theirs.zone == Zone::tunnel &&
                own.tunnel.name == theirs.tunnel.name)
                broken(*rule, "network/tunnel/name",
                       fmt::format("tunnel '{}' belongs to mode", shown(own.tunnel.name)));
            for (std::size_t i = 0; i < own.tunnel.peers.size(); ++i)
                if (std::ranges::find(theirs.tunnel.peers, own.tunnel.peers[i].public_key,
                                      &TunnelPeer::public_key) != theirs.tunnel.peers.end())
                    broken(*rule, fmt::format("network/tunnel/peers/{}/publicKey", i),
                           "this peer is at the other end of the tunnel of mode");
        }
    }
}

void check_site_separation(const Node& site, const Separation& found,
                           std::vector<ModePolicy>& modes) {
    const Node* require = site.find("require");
    if (require == nullptr) return;
    const auto demanded = [&](const std::string& mode) -> const Node* {
        for (const auto& demand : require->items)
            if (const Node* rule = asked_of(demand, "separate"))
                if (holds_for(demand, mode)) return rule;
        return nullptr;
    };
    for (const auto& flow : found.flows) {
        if (flow.control != Control::open) continue;
        for (const auto& [own, other] : {std::pair(flow.from, flow.to), {flow.to, flow.from}}) {
            const auto mode =
                std::ranges::find(modes, found.modes[own.mode].mode, &ModePolicy::mode);
            const Node* rule = demanded(mode->mode);
            if (rule == nullptr) continue;
            // One is enough to keep it from starting, and must not be lost among warnings.
            auto& found_here = mode->diagnostics;
            if (found_here.size() >= kMaxFindings && has_errors(found_here)) continue;
            const Access& here = found.access(own);
            found_here.push_back(finding(
                Rule::site_policy, here.at,
                fmt::format("the site policy demands separation: {} '{}' leads from '{}' to '{}' "
                            "({})",
                            word_at(kResourceNames, here.kind), here.resource,
                            found.modes[flow.from.mode].mode, found.modes[flow.to.mode].mode,
                            to_text(rule->at)),
                "close one end, or accept the flow in the site policy",
                {rule->at, found.access(other).at}));
        }
    }
}

}  // namespace pmos::policy
