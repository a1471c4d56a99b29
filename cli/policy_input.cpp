// cli: one side of a comparison, wherever it is. Never prints, changes nothing.
#include "cli/policy_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/bundle_files.h"
#include "cli/git_files.h"
#include "policy/profile.h"

namespace pmos::cli {
namespace {

namespace fs = std::filesystem;
using policy::Rule;

// A profile that cannot be read is a mode that there is, and that nothing is known of.
void add_unreadable(PolicyInput& input) {
    for (const auto& d : input.policy.diagnostics) {
        const fs::path file(d.at.file);
        if (d.severity == policy::Severity::error && file.filename() == "site.json")
            input.site_findings.push_back(d);
        if (d.rule != Rule::unreadable_profile) continue;
        policy::ModePolicy mode;
        mode.mode = policy::shown(file.stem().string());
        mode.file = d.at.file;
        mode.diagnostics.push_back(d);
        input.modes.push_back(std::move(mode));
    }
}

PolicyInput finish(std::string shown, CheckedPolicy checked, bool one_profile) {
    PolicyInput out;
    out.shown = std::move(shown);
    out.policy = std::move(checked);
    out.one_profile = one_profile;
    out.modes = out.policy.modes;
    add_unreadable(out);
    return out;
}

Result<FileSet> phone_files(const Globals& globals) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto answer, bus.call(manager(), "Profiles"));
    FileSet out;
    out.shown = kPhoneWord;
    int r = sd_bus_message_enter_container(answer.get(), 'a', "(says)");
    while (r > 0) {
        r = sd_bus_message_enter_container(answer.get(), 'r', "says");
        if (r <= 0) break;
        const char *path = nullptr, *error = nullptr;
        const void* bytes = nullptr;
        std::size_t size = 0;
        r = sd_bus_message_read(answer.get(), "s", &path);
        if (r > 0) r = sd_bus_message_read_array(answer.get(), 'y', &bytes, &size);
        if (r >= 0) r = sd_bus_message_read(answer.get(), "s", &error);
        if (r > 0) r = sd_bus_message_exit_container(answer.get());
        if (r > 0) out.files[path] = {{static_cast<const char*>(bytes), size}, error};
    }
    if (r < 0) return fail(bus_errno(r, "cannot read pmosd's answer"));
    return out;
}

Result<PolicyInput> open_signed(const std::string& path, const std::string& bytes,
                                const InputTrust& trust) {
    PMOS_ASSIGN(const auto trusted, read_trusted(trust.keys, trust.directory));
    PMOS_ASSIGN(const auto genuine, policy::open_bundle(path, bytes, trusted));
    return finish(path, check_bundle(genuine.bundle), false);
}

// Without modes beside it there is nothing that its demands could be compared on.
Result<> not_site(const fs::path& path) {
    if (path.filename() != "site.json") return {};
    return fail(Code::usage, fmt::format("'{}' is no profile", path.string()),
                "a site policy is compared with the profiles beside it", "name its directory");
}

Result<PolicyInput> read_path(const std::string& path, const InputTrust& trust) {
    std::error_code ignored;
    const bool directory = fs::is_directory(path, ignored);
    if (!directory && !path.ends_with(".json")) {
        PMOS_ASSIGN(const auto bytes, read_bundle_file(path));
        if (policy::looks_like_bundle(bytes)) return open_signed(path, bytes, trust);
    }
    if (!directory) PMOS_TRY(not_site(path));
    PMOS_ASSIGN(auto checked, check_policy({path}));
    return finish(path, std::move(checked), !directory);
}

// The modes of `from` that `named` has.
std::vector<policy::ModePolicy> same_modes(const PolicyInput& from, const PolicyInput& named) {
    std::vector<policy::ModePolicy> out;
    for (const auto& mode : from.modes)
        if (std::ranges::find(named.modes, mode.mode, &policy::ModePolicy::mode) !=
            named.modes.end())
            out.push_back(mode);
    return out;
}

}  // namespace

policy::DiffSide PolicyInput::side() const {
    const auto with =
        std::ranges::find_if(modes, [](const auto& m) { return m.demands != nullptr; });
    return {modes, with == modes.end() ? nullptr : with->demands.get(), site_findings,
            policy.separation.get()};
}

Result<PolicyInput> read_input(const Globals& globals, const std::string& text,
                               const InputTrust& trust) {
    if (text == kPhoneWord) {
        PMOS_ASSIGN(const auto files, phone_files(globals));
        return finish("the phone", check_files(files), false);
    }
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(text, ignored))) return read_path(text, trust);
    PMOS_ASSIGN(const auto git, git_files(text));
    PMOS_TRY(not_site(git.one));
    if (std::ranges::none_of(git.files.files, [](const auto& file) {
            return !file.first.contains('/') && file.first != "site.json";
        }))
        return fail(Code::not_found, fmt::format("no profiles in '{}'", git.files.shown),
                    "no file there ends in .json");
    return finish(git.files.shown, check_files(git.files, git.one), !git.one.empty());
}

std::vector<policy::Change> diff_inputs(const PolicyInput& a, const PolicyInput& b) {
    if (!a.one_profile && !b.one_profile) return policy::diff(a.side(), b.side());
    const auto modes_a = a.one_profile ? a.modes : same_modes(a, b);
    const auto modes_b = b.one_profile ? b.modes : same_modes(b, a);
    auto changes = policy::diff({modes_a, nullptr, {}, nullptr}, {modes_b, nullptr, {}, nullptr});
    // Refused for the sake of modes and demands that the other side does not have beside it.
    std::erase_if(changes,
                  [](const policy::Change& c) { return c.kind == policy::ChangeKind::start; });
    return changes;
}

}  // namespace pmos::cli
