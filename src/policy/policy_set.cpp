// policy: the profiles of a phone together, read, merged and checked. Reads no file itself.
#include "policy/policy_set.h"

#include <fmt/format.h>
#include <sys/ioctl.h>

#include <algorithm>

#include "policy/language.h"
#include "policy/names.h"
#include "policy/profile.h"
#include "policy/resolve.h"
#include "policy/site_policy.h"

namespace pmos::policy {
namespace {

std::string name_from_file(std::string_view path) {
    path = path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1);
    if (path.ends_with(".json")) path.remove_suffix(5);
    return shown(path);
}

bool below(std::string_view pointer, std::string_view other) {
    return pointer.starts_with(other) &&
           (pointer.size() == other.size() || pointer[other.size()] == '/');
}

// A fault between values says nothing new where one of them is already at fault.
void add_unrelated(std::vector<Diagnostic>& to, std::vector<Diagnostic> found) {
    const std::size_t before = to.size();
    for (auto& d : found) {
        const auto end = to.begin() + static_cast<std::ptrdiff_t>(before);
        const bool known = std::any_of(to.begin(), end, [&](const Diagnostic& old) {
            return below(old.at.pointer, d.at.pointer) || below(d.at.pointer, old.at.pointer);
        });
        if (!known) to.push_back(std::move(d));
    }
}

void lint_volumes(const Profile& p, std::vector<Diagnostic>& out) {
    for (std::size_t i = 0; i < p.volumes.size(); ++i) {
        const auto& v = p.volumes[i];
        const auto unlock = fmt::format("volumes/{}/unlock", i);
        if (std::ranges::find(v.unlock, "device-key") != v.unlock.end())
            out.push_back({Severity::warning,
                           "device-key",
                           p.where(unlock),
                           fmt::format("a device key protects '{}' little: whoever has the phone's "
                                       "flash memory has the key too",
                                       v.name),
                           "unlock by \"pin\"",
                           {}});
        if (v.pbkdf == "pbkdf2" && std::ranges::find(v.unlock, "pin") != v.unlock.end())
            out.push_back({Severity::warning,
                           "weak-kdf",
                           v.at,
                           "pbkdf2 needs no memory: a PIN behind it is guessed fast",
                           "use argon2id",
                           {}});
        if (v.unlock.size() > 1)
            out.push_back({Severity::warning,
                           "not-enforced",
                           p.where(unlock),
                           "this build unlocks a volume by one method only",
                           "keep one",
                           {}});
    }
}

void lint_seccomp(const Profile& p, std::vector<Diagnostic>& out) {
    for (std::size_t i = 0; i < p.seccomp_rules.size(); ++i) {
        const auto& rule = p.seccomp_rules[i];
        const auto at = p.where(fmt::format("seccomp/rules/{}", i));
        const bool ioctl = std::ranges::find(rule.names, "ioctl") != rule.names.end();
        for (const auto& arg : rule.args)
            if (ioctl && arg.index == 1 && arg.op == Compare::eq && rule.verdict != verdict_allow())
                out.push_back({Severity::warning,
                               "high-bits",
                               at,
                               "the kernel ignores the high half of a request, this rule does not: "
                               "it can be walked around",
                               "use SCMP_CMP_MASKED_EQ with value 4294967295 and the request as "
                               "valueTwo",
                               {}});
        for (const std::string_view guarded : {"clone", "clone3", "unshare", "setns", "execveat",
                                               "ioctl", "personality", "socket", "socketpair"})
            if (rule.verdict == verdict_allow() && rule.args.empty() &&
                std::ranges::find(rule.names, guarded) != rule.names.end())
                out.push_back(
                    {Severity::warning,
                     "guard-overridden",
                     at,
                     fmt::format("this rule overrides the built-in guard of '{}'", guarded),
                     "remove it unless the mode's purpose needs it",
                     {}});
    }
    const auto names = expand_syscalls(p.seccomp_allow);
    for (const std::string_view danger : {"@mount", "@module", "@keyring", "@raw-io", "@reboot",
                                          "@swap", "@clock", "@debug", "@io-uring"})
        for (std::size_t i = 0; i < p.seccomp_allow.size(); ++i)
            if (p.seccomp_allow[i] == danger || p.seccomp_allow[i] == "@privileged")
                out.push_back({Severity::warning,
                               "dangerous-syscalls",
                               p.where(fmt::format("seccomp/allow/{}", i)),
                               fmt::format("'{}' weakens the walls of the mode", danger),
                               "name the single calls that are needed",
                               {}});
}

void lint(const Profile& p, std::vector<Diagnostic>& out) {
    lint_volumes(p, out);
    lint_seccomp(p, out);
    constexpr std::uint64_t kDefeating = 1ULL << 21 | 1ULL << 19 | 1ULL << 27 | 1ULL << 16 |
                                         1ULL << 17;  // SYS_ADMIN PTRACE MKNOD MODULE RAWIO
    if ((p.process.capabilities.bounding & kDefeating) != 0)
        out.push_back({Severity::warning,
                       "dangerous-capability",
                       p.where("process/capabilities"),
                       "a capability is granted that opens much of the kernel to the mode",
                       "remove it unless the mode's purpose needs it",
                       {}});
    const auto limited = [&](std::string_view file) {
        return std::ranges::any_of(p.limits, [&](const LimitSpec& l) { return l.file == file; });
    };
    for (const auto& [file, key] :
         {std::pair<std::string_view, std::string_view>{"memory.max", "resources/memory/max"},
          {"pids.max", "resources/pids/max"}})
        if (!limited(file))
            out.push_back({Severity::warning,
                           "missing-limit",
                           p.where(key),
                           fmt::format("without {} the mode can starve the others", file),
                           fmt::format("add '{}'", key),
                           {}});
    const auto exec = [](const std::vector<std::string>& o) {
        return std::ranges::find(o, "exec") != o.end() && std::ranges::find(o, "ro") == o.end();
    };
    for (const auto& v : p.volumes)
        if (exec(v.options))
            out.push_back({Severity::warning,
                           "writable-executable",
                           v.at,
                           fmt::format("'{}' is writable and executable", v.target),
                           "drop the option exec",
                           {}});
    for (const auto& m : p.mounts)
        if (m.type == "tmpfs" && exec(m.options))
            out.push_back({Severity::warning,
                           "writable-executable",
                           m.at,
                           fmt::format("'{}' is writable and executable", m.target),
                           "drop the option exec",
                           {}});
}

ModePolicy read_mode(const SourceFile& file, const std::optional<Node>& site,
                     const ReadBlock& read_block) {
    ModePolicy mode;
    mode.file = file.path;
    mode.mode = name_from_file(file.path);
    auto tree = resolve(file, read_block, mode.diagnostics);
    if (!tree) return mode;
    if (const Node* name = tree->find("mode"); name != nullptr && is_mode_name(name->text))
        mode.mode = name->text;
    std::vector<Diagnostic> values;
    auto profile = std::make_shared<Profile>(read_profile(*tree, file.path, values));
    add_unrelated(mode.diagnostics, std::move(values));
    if (has_errors(mode.diagnostics)) return mode;
    if (site) check_site_policy(*site, *profile, mode.diagnostics);
    check_enforced(profile_language(), profile->source, Severity::warning, mode.diagnostics);
    lint(*profile, mode.diagnostics);
    mode.profile = std::move(profile);
    return mode;
}

// Faults between two profiles: each gets one, related to the other.
class CrossCheck {
  public:
    explicit CrossCheck(std::vector<ModePolicy>& modes) : modes_(modes) {}

    void all() {
        for (std::size_t i = 0; i < modes_.size(); ++i)
            for (std::size_t j = i + 1; j < modes_.size(); ++j) pair(modes_[i], modes_[j]);
    }

  private:
    static void both(ModePolicy& a, const Location& at_a, ModePolicy& b, const Location& at_b,
                     const std::string& rule, const std::string& message, const std::string& fix) {
        a.diagnostics.push_back({Severity::error,
                                 rule,
                                 at_a,
                                 fmt::format("{} (mode '{}')", message, b.mode),
                                 fix,
                                 {at_b}});
        b.diagnostics.push_back({Severity::error,
                                 rule,
                                 at_b,
                                 fmt::format("{} (mode '{}')", message, a.mode),
                                 fix,
                                 {at_a}});
    }
    static void pair(ModePolicy& a, ModePolicy& b);
    static void volumes(ModePolicy& a, ModePolicy& b);
    static void shares(ModePolicy& a, ModePolicy& b);

    std::vector<ModePolicy>& modes_;
};

void CrossCheck::pair(ModePolicy& a, ModePolicy& b) {
    if (a.mode == b.mode)
        both(a, a.profile ? a.profile->where("mode") : Location{a.file, 0, 0, ""}, b,
             b.profile ? b.profile->where("mode") : Location{b.file, 0, 0, ""}, "duplicate-mode",
             fmt::format("two profiles are called '{}'", a.mode), "rename one of them");
    if (!a.profile || !b.profile) return;
    const Profile &p = *a.profile, &q = *b.profile;
    const std::uint64_t p_end = std::uint64_t{p.id_start} + p.id_count;
    const std::uint64_t q_end = std::uint64_t{q.id_start} + q.id_count;
    if (p.id_start < q_end && q.id_start < p_end)
        both(a, p.where("identity/uidRange"), b, q.where("identity/uidRange"),
             "overlapping-id-range", "the id ranges overlap",
             fmt::format("begin one of them at {} or above", std::max(p_end, q_end)));
    if (p.image == q.image)
        both(a, p.where("root/image"), b, q.where("root/image"), "shared-image",
             fmt::format("image '{}' is used twice", p.image),
             "give each mode an image of its own");
    volumes(a, b);
    shares(a, b);
}

std::string source_of(const Profile& p, const VolumeSpec& v) {
    if (!v.device.empty()) return v.device;
    return v.file.empty() ? fmt::format("{}-{}", p.mode, v.name) : v.file;
}

void CrossCheck::volumes(ModePolicy& a, ModePolicy& b) {
    for (const auto& v : a.profile->volumes)
        for (const auto& w : b.profile->volumes)
            // The mapping's name joins both with a hyphen: a + b-c and a-b + c would be one.
            if (a.profile->mode + "-" + v.name == b.profile->mode + "-" + w.name ||
                source_of(*a.profile, v) == source_of(*b.profile, w))
                both(a, v.at, b, w.at, "shared-volume",
                     fmt::format("'{}' holds two volumes", source_of(*a.profile, v)),
                     "give each its own file or device");
}

bool contains(std::string_view outer, std::string_view inner) {
    return inner == outer || (inner.starts_with(outer) && inner[outer.size()] == '/');
}

void CrossCheck::shares(ModePolicy& a, ModePolicy& b) {
    const auto writable = [](const MountSpec& m) {
        return std::ranges::find(m.options, "rw") != m.options.end();
    };
    for (const auto& m : a.profile->mounts)
        for (const auto& n : b.profile->mounts)
            if (m.type == "bind" && n.type == "bind" && (writable(m) || writable(n)) &&
                (contains(m.source, n.source) || contains(n.source, m.source)))
                both(a, m.at, b, n.at, "writable-share",
                     fmt::format("'{}' is shared and writable", m.source),
                     "drop the option rw from both");
}

}  // namespace

PolicySet read_policy(std::span<const SourceFile> profiles, const SourceFile* site,
                      const ReadBlock& read_block) {
    PolicySet set;
    std::optional<Node> demands;
    if (site != nullptr) demands = read_site_policy(*site, set.diagnostics);
    const bool site_broken = site != nullptr && !demands;
    for (const auto& file : profiles) set.modes.push_back(read_mode(file, demands, read_block));
    CrossCheck(set.modes).all();
    for (auto& mode : set.modes) {
        if (site_broken)
            mode.diagnostics.push_back({Severity::error,
                                        "site-policy-broken",
                                        {mode.file, 0, 0, ""},
                                        "the site policy cannot be read, so no mode may start",
                                        fmt::format("correct '{}'", site->path),
                                        {{site->path, 0, 0, ""}}});
        if (has_errors(mode.diagnostics)) mode.profile = nullptr;
    }
    std::ranges::stable_sort(set.modes, {}, &ModePolicy::mode);
    return set;
}

}  // namespace pmos::policy
