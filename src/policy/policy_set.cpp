// policy: the profiles of a phone together, read, merged and checked. Reads no file itself.
#include "policy/policy_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "policy/between.h"
#include "policy/language.h"
#include "policy/lint.h"
#include "policy/names.h"
#include "policy/profile.h"
#include "policy/profile_reader.h"
#include "policy/question.h"
#include "policy/resolve.h"
#include "policy/separation.h"
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
    if (mode.diagnostics.size() > kMaxFindings) {
        // The errors are what must not be lost.
        std::ranges::stable_sort(mode.diagnostics, {}, &Diagnostic::severity);
        mode.diagnostics.resize(kMaxFindings);
    }
    mode.profile = std::move(profile);
    return mode;
}

}  // namespace

PolicySet read_policy(std::span<const SourceFile> profiles, const SourceFile* site,
                      const ReadBlock& read_block) {
    PolicySet set;
    std::optional<Node> demands;
    if (site != nullptr) demands = read_site_policy(*site, set.diagnostics);
    const bool site_broken = site != nullptr && !demands;
    for (const auto& file : profiles) set.modes.push_back(read_mode(file, demands, read_block));
    const auto shared = demands ? std::make_shared<const Node>(*demands) : nullptr;
    for (auto& mode : set.modes) mode.demands = shared;
    if (shared) set.emergency_numbers = texts(shared->find("emergencyNumbers"));
    check_between(set.modes, shared.get());
    std::ranges::stable_sort(set.modes, {}, &ModePolicy::mode);
    set.separation =
        std::make_shared<const Separation>(separate(set.modes, whole_phone(), shared.get()));
    if (shared) check_site_separation(*shared, *set.separation, set.modes);
    for (auto& mode : set.modes) {
        if (site_broken)
            mode.diagnostics.push_back(
                finding(Rule::site_policy_broken, {mode.file, 0, 0, ""},
                        "the site policy cannot be read, so no mode may start",
                        fmt::format("correct '{}'", site->path), {{site->path, 0, 0, ""}}));
        if (has_errors(mode.diagnostics)) mode.disputed = std::exchange(mode.profile, nullptr);
    }
    return set;
}

}  // namespace pmos::policy
