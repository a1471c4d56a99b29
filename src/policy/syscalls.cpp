// policy: system calls by name and number. The numbers are libseccomp's tables.
#include "policy/syscalls.h"

#include <linux/audit.h>
#include <seccomp.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "policy/diagnostic.h"

namespace pmos::policy {
namespace {

// Linux 5.17 (set_mempolicy_home_node) is the newest that libseccomp 2.5.4 knows. Both
// architectures number alike from 424 on; below that each has a gap.
constexpr std::array kArches{
    Arch{"x86_64", AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64, 450, 335, 423, true},
    Arch{"aarch64", AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64, 450, 295, 423, false},
};

void add_members(std::string_view members, std::set<std::string>& out) {
    while (!members.empty()) {
        const auto blank = members.find(' ');
        const auto word = members.substr(0, blank);
        if (word.starts_with('@')) {
            if (const SyscallGroup* group = find_group(word)) add_members(group->members, out);
        } else if (!word.empty()) {
            out.emplace(word);
        }
        if (blank == std::string_view::npos) return;
        members.remove_prefix(blank + 1);
    }
}

}  // namespace

const SyscallGroup* find_group(std::string_view name) {
    const auto groups = syscall_groups();
    const auto it = std::ranges::find(groups, name, &SyscallGroup::name);
    return it == groups.end() ? nullptr : &*it;
}

std::string_view nearest_group(std::string_view word) {
    std::vector<std::string_view> names;
    for (const auto& group : syscall_groups()) names.push_back(group.name);
    return nearest(word, names);
}

bool is_syscall(std::string_view name) {
    return !name.empty() && name.size() < 64 &&
           seccomp_syscall_resolve_name(std::string(name).c_str()) != __NR_SCMP_ERROR;
}

std::string_view nearest_syscall(std::string_view word) {
    static const std::vector<std::string> kNames = [] {
        std::vector<std::string> names;
        for (std::uint32_t n = 0; n <= kArches[0].newest; ++n)
            if (auto name = syscall_name(kArches[0], n); !name.empty())
                names.push_back(std::move(name));
        return names;
    }();
    return nearest(word, std::vector<std::string_view>(kNames.begin(), kNames.end()));
}

const Arch* find_arch(std::string_view name) {
    const auto it = std::ranges::find(kArches, name, &Arch::name);
    return it == kArches.end() ? nullptr : &*it;
}

std::optional<std::uint32_t> syscall_number(const Arch& arch, std::string_view name) {
    const int nr = seccomp_syscall_resolve_name_arch(arch.scmp, std::string(name).c_str());
    if (nr < 0) return std::nullopt;  // __NR_SCMP_ERROR, or a pseudo number: not on this one
    return static_cast<std::uint32_t>(nr);
}

std::string syscall_name(const Arch& arch, std::uint32_t number) {
    const std::unique_ptr<char, decltype(&std::free)> name(
        seccomp_syscall_resolve_num_arch(arch.scmp, static_cast<int>(number)), &std::free);
    return name ? name.get() : "";
}

std::set<std::string> expand_syscalls(std::span<const std::string> entries) {
    std::set<std::string> names;
    for (const auto& entry : entries) add_members(entry, names);
    return names;
}

std::set<std::string> recordable_syscalls(const Arch& arch, const std::set<std::string>& never) {
    static const std::array<std::string, 4> kNever{"@privileged", "@io-uring", "@cpu-emulation",
                                                   "@obsolete"};
    const auto dangerous = expand_syscalls(kNever);
    std::set<std::string> names;
    for (std::uint32_t nr = 0; nr <= arch.newest; ++nr)
        if (auto name = syscall_name(arch, nr);
            !name.empty() && !dangerous.contains(name) && !never.contains(name))
            names.insert(std::move(name));
    return names;
}

}  // namespace pmos::policy
