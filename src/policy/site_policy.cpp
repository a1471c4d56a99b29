// policy: what the phone's owner demands of every profile. Knows no host.
#include "policy/site_policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/language.h"
#include "policy/names.h"
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

class SiteCheck {
  public:
    SiteCheck(const Profile& profile, std::vector<Diagnostic>& out) : p_(profile), out_(out) {}

    void demand(const Node& demand);

  private:
    void encrypted(const Node& rule);
    void writable_share(const Node& rule);
    void unlock(const Node& never);
    void network(const Node& admitted);
    void capabilities(const Node& never);
    void syscalls(const Node& never);
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

void SiteCheck::network(const Node& admitted) {
    if (!lists(admitted, p_.network))
        broken(p_.where("network"), admitted,
               fmt::format("the site policy refuses the network '{}'", p_.network),
               fmt::format("it admits: {}", words(admitted)));
}

void SiteCheck::capabilities(const Node& never) {
    for (const auto& item : never.items) {
        const auto bit = value_of(capability_names(), item.text);
        if (bit && (p_.process.capabilities.bounding >> *bit & 1U) != 0)
            broken(p_.where("process/capabilities"), item,
                   fmt::format("the site policy refuses {}", item.text), "remove it");
    }
}

void SiteCheck::syscalls(const Node& never) {
    std::vector<std::string> entries;
    for (const auto& item : never.items) entries.push_back(item.text);
    const auto refused = expand_syscalls(entries);
    for (std::size_t i = 0; i < p_.seccomp_allow.size(); ++i)
        for (const auto& name : expand_syscalls(std::span(&p_.seccomp_allow[i], 1)))
            if (refused.contains(name))
                broken(p_.where(fmt::format("seccomp/allow/{}", i)), never,
                       fmt::format("the site policy refuses the system call '{}'", name),
                       fmt::format("'{}' holds it", p_.seccomp_allow[i]));
    for (std::size_t i = 0; i < p_.seccomp_rules.size(); ++i)
        for (const auto& name : p_.seccomp_rules[i].names)
            if (p_.seccomp_rules[i].verdict == verdict_allow() && refused.contains(name))
                broken(p_.where(fmt::format("seccomp/rules/{}", i)), never,
                       fmt::format("the site policy refuses the system call '{}'", name));
}

void SiteCheck::devices(const Node& classes) {
    for (const auto& member : classes.members) {
        const auto right = p_.devices.find(member.key);
        if (right == p_.devices.end() || right->second == "none" ||
            lists(member.value, right->second))
            continue;
        broken(p_.where("devices/" + member.key), member.value,
               fmt::format("the site policy refuses {} '{}'", member.key, right->second),
               fmt::format("it admits: {}", words(member.value)));
    }
}

void SiteCheck::demand(const Node& demand) {
    if (const Node* modes = demand.find("modes"); modes != nullptr && !lists(*modes, p_.mode))
        return;
    const auto asked = [&](std::string_view key) -> const Node* {
        const Node* node = demand.find(key);
        return node != nullptr && (!node->is(Node::Kind::boolean) || node->boolean) ? node
                                                                                    : nullptr;
    };
    if (const Node* rule = asked("encrypted")) encrypted(*rule);
    if (const Node* rule = asked("noWritableShare");
        rule != nullptr && asked("encrypted") == nullptr)
        writable_share(*rule);
    if (const Node* never = demand.at_path("unlock/never")) unlock(*never);
    if (const Node* admitted = asked("network")) network(*admitted);
    if (const Node* never = demand.at_path("capabilities/never")) capabilities(*never);
    if (const Node* never = demand.at_path("syscalls/never")) syscalls(*never);
    if (const Node* classes = demand.find("devices")) devices(*classes);
    if (const Node* rule = demand.find("onLock")) {
        const std::string_view has = p_.session.on_lock == OnLock::evict ? "evict" : "suspend";
        if (rule->text == "evict" && has != "evict")
            broken(p_.where("session/onLock"), *rule, "the site policy demands that lock evicts");
    }
    if (const Node* rule = asked("verity");
        rule != nullptr && p_.source.at_path("root/verity") == nullptr)
        broken(p_.where("root"), *rule, "the site policy demands a verified image",
               "add 'verity' to 'root'");
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

}  // namespace pmos::policy
