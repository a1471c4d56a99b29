// policy: what a recording saw a mode need, as a change of its profile. Proposes only.
#include "policy/proposal.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/text.h"
#include "policy/json_edit.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

// A recording that is stopped sees no exit, and an idle loop restarts no call.
constexpr std::array<std::string_view, 4> kToEnd{"exit", "exit_group", "rt_sigreturn",
                                                 "restart_syscall"};

std::set<std::string> existing(const Arch& arch, const std::set<std::string>& names) {
    std::set<std::string> out;
    std::ranges::copy_if(names, std::inserter(out, out.end()),
                         [&](const auto& name) { return syscall_number(arch, name).has_value(); });
    return out;
}

struct Choice {
    std::string_view group;
    std::set<std::string> fresh, unused;
};

std::optional<Choice> weigh(const Arch& arch, const SyscallGroup& group,
                            const std::set<std::string>& used, const std::set<std::string>& allowed,
                            const std::set<std::string>& harmless) {
    const std::string name(group.name);
    Choice choice{group.name, {}, {}};
    const auto members = existing(arch, expand_syscalls(std::span(&name, 1)));
    for (const auto& member : members) {
        if (!harmless.contains(member)) return std::nullopt;
        if (used.contains(member))
            choice.fresh.insert(member);
        else if (!allowed.contains(member))
            choice.unused.insert(member);
    }
    if (choice.fresh.size() < 2 || choice.unused.size() * 4 > members.size()) return std::nullopt;
    return choice;
}

}  // namespace

std::vector<std::string> grouped_syscalls(const Arch& arch, const std::set<std::string>& used,
                                          const std::set<std::string>& allowed,
                                          const std::set<std::string>& never,
                                          std::vector<std::string>& besides) {
    const auto harmless = recordable_syscalls(arch, never);
    auto left = used;
    auto admitted = allowed;
    std::vector<std::string> entries;
    for (;;) {
        std::optional<Choice> best;
        for (const auto& group : syscall_groups())
            if (auto choice = weigh(arch, group, left, admitted, harmless);
                choice && (!best || choice->fresh.size() > best->fresh.size()))
                best = std::move(choice);
        if (!best) break;
        entries.emplace_back(best->group);
        if (!best->unused.empty())
            besides.push_back(
                fmt::format("{} brings besides: {}", best->group, fmt::join(best->unused, ", ")));
        for (const auto& name : best->fresh) left.erase(name);
        admitted.merge(best->fresh);
        admitted.merge(best->unused);
    }
    entries.insert(entries.end(), left.begin(), left.end());
    return entries;
}

namespace {

class Proposer {
  public:
    Proposer(const Profile& profile, const Arch& arch, std::string_view bytes,
             const std::set<std::string>& never)
        : p_(profile), arch_(arch), never_(never), edit_(bytes) {
        std::vector<Diagnostic> faults;
        own_ = read_json(profile.file, bytes, faults);
    }
    Proposal take(std::span<const Need> needs);

  private:
    void calls(std::set<std::string> used);
    void end(const std::set<std::string>& listed, std::vector<std::string>& entries) const;
    void devices(const std::map<std::string, std::string>& rights);
    const Node* own(std::string_view path) const { return own_ ? own_->at_path(path) : nullptr; }
    void add_to_top(std::string_view key, std::string_view json) {
        if (own_) edit_.add_member(*own_, key, json);
    }

    const Profile& p_;
    const Arch& arch_;
    const std::set<std::string>& never_;
    JsonEdit edit_;
    std::optional<Node> own_;  // this file alone, without what it extends
    std::vector<std::string> fragment_;
    Proposal out_;
};

void Proposer::end(const std::set<std::string>& listed, std::vector<std::string>& entries) const {
    if (std::ranges::all_of(kToEnd, [&](auto name) { return listed.contains(std::string(name)); }))
        return;
    const std::vector<std::string> whole{"@default"};
    const auto members = expand_syscalls(whole);
    if (std::ranges::none_of(members, [&](const auto& m) { return never_.contains(m); })) {
        entries.insert(entries.begin(), whole.front());
        return;
    }
    for (const auto name : kToEnd)
        if (const std::string one(name); !listed.contains(one) && !never_.contains(one))
            entries.push_back(one);
}

void Proposer::calls(std::set<std::string> used) {
    for (const auto& name : never_)
        if (used.erase(name) > 0)
            out_.notes.push_back(
                fmt::format("{} is not proposed: the site policy refuses it", name));
    const auto listed = expand_syscalls(p_.seccomp_allow);
    auto allowed = listed;
    allowed.merge(expand_syscalls(std::vector<std::string>{std::string(required_syscalls())}));
    auto entries = grouped_syscalls(arch_, used, allowed, never_, out_.notes);
    if (entries.empty()) return;
    end(listed, entries);
    auto whole = p_.seccomp_allow;
    whole.insert(whole.end(), entries.begin(), entries.end());
    fragment_.push_back(fmt::format("  \"seccomp\": {{ \"allow\": {} }}", json_list(whole, 25)));
    if (const Node* list = own("seccomp/allow")) return edit_.append(*list, entries);
    out_.notes.push_back(fmt::format(
        "the list of {} is written out in the profile, for other modes may extend that block",
        to_text(p_.where("seccomp/allow"))));
    const Node* seccomp = own("seccomp");
    if (seccomp != nullptr && !seccomp->members.empty())
        edit_.add_member(*seccomp, "allow",
                         json_list(whole, seccomp->members.back().key_at.column + 9));
    else if (seccomp != nullptr)
        edit_.add_member(*seccomp, "allow", json_list(whole, seccomp->at.column + 10));
    else
        add_to_top("seccomp", fmt::format("{{\n    \"allow\": {}\n  }}", json_list(whole, 14)));
}

void Proposer::devices(const std::map<std::string, std::string>& rights) {
    if (rights.empty()) return;
    std::string members;
    for (const auto& [device_class, right] : rights) {
        members += fmt::format("{}{}: {}", members.empty() ? "" : ", ", json_quote(device_class),
                               json_quote(right));
        if (const Node* old = own("devices/" + device_class))
            edit_.replace(*old, json_quote(right));
        else if (const Node* classes = own("devices"))
            edit_.add_member(*classes, device_class, json_quote(right));
    }
    fragment_.push_back(fmt::format("  \"devices\": {{ {} }}", members));
    if (own("devices") == nullptr) add_to_top("devices", fmt::format("{{ {} }}", members));
}

Proposal Proposer::take(std::span<const Need> needs) {
    std::set<std::string> used;
    std::map<std::string, std::string> rights;
    for (const auto& need : needs) {
        if (need.key == "seccomp/allow")
            used.insert(need.value);
        else if (need.key.starts_with("devices/"))
            rights[need.key.substr(need.key.find('/') + 1)] = need.value;
        else
            out_.notes.push_back(fmt::format("'{}' would need: {}", need.key, need.value));
    }
    calls(std::move(used));
    devices(rights);
    if (fragment_.empty()) return std::move(out_);
    out_.fragment = fmt::format("{{\n{}\n}}\n", fmt::join(fragment_, ",\n"));
    if (own_) out_.text = edit_.apply();
    return std::move(out_);
}

}  // namespace

Proposal propose(const Profile& profile, const Arch& arch, std::string_view bytes,
                 std::span<const Need> needs, const std::set<std::string>& never) {
    return Proposer(profile, arch, bytes, never).take(needs);
}

}  // namespace pmos::policy
