// cli: profiles on disk, checked by the code that pmosd uses. Talks to nobody, needs no root.
#include "cli/policy_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/directory.h"
#include "base/regular_file.h"
#include "policy/json_reader.h"

namespace pmos::cli {
namespace {

namespace fs = std::filesystem;
using policy::Rule;

constexpr std::string_view kSiteName = "site.json";

// The files of one profiles directory: what is checked against each other.
struct Source {
    std::vector<policy::SourceFile> profiles;
    std::optional<policy::SourceFile> site;
    std::vector<policy::Diagnostic> unreadable;
};
using Sources = std::map<std::string, Source>;  // by directory

void add_file(const fs::path& path, Sources& sources) {
    auto& source = sources[path.has_parent_path() ? path.parent_path().string() : "."];
    const bool site = path.filename() == kSiteName;
    auto bytes = read_regular_file(path.string(), policy::kMaxFileSize);
    if (!bytes)
        source.unreadable.push_back(
            policy::finding(site ? Rule::unreadable_site_policy : Rule::unreadable_profile,
                            {path.string(), 0, 0, ""}, bytes.error().message()));
    else if (site)
        source.site = policy::SourceFile{path.string(), std::move(*bytes)};
    else
        source.profiles.push_back({path.string(), std::move(*bytes)});
}

Result<> add_directory(const fs::path& directory, Sources& sources) {
    std::error_code error;
    std::vector<fs::path> paths;
    for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error))
        if (it->path().extension() == ".json") paths.push_back(it->path());
    if (error)
        return fail(
            errno_error(error.value(), fmt::format("cannot read '{}'", directory.string())));
    if (paths.empty())
        return fail(Code::not_found, fmt::format("no profiles in '{}'", directory.string()),
                    "no file there ends in .json");
    std::ranges::sort(paths);
    for (const auto& path : paths) add_file(path, sources);
    return {};
}

Result<Sources> collect(std::vector<std::string> paths) {
    Sources sources;
    if (paths.empty()) {
        PMOS_ASSIGN(auto directory, default_profiles());
        paths.push_back(std::move(directory));
    }
    std::error_code ignored;
    for (const auto& path : paths) {
        // A link that leads nowhere is there: what is wrong with it is a finding.
        if (!fs::exists(fs::symlink_status(path, ignored)))
            return fail(Code::not_found, fmt::format("cannot read '{}'", path),
                        "there is no such file or directory");
        if (fs::is_directory(path, ignored)) {
            PMOS_TRY(add_directory(path, sources));
        } else {
            add_file(path, sources);
        }
    }
    // The owner's demands hold for a profile that is checked alone, too.
    for (auto& [directory, source] : sources) {
        const fs::path site = fs::path(directory) / kSiteName;
        const bool tried = source.site || std::ranges::any_of(source.unreadable, [](const auto& d) {
                               return d.rule == Rule::unreadable_site_policy;
                           });
        if (!tried && fs::exists(fs::symlink_status(site, ignored))) add_file(site, sources);
    }
    return sources;
}

const policy::Node* demands_of(const std::vector<policy::ModePolicy>& modes) {
    const auto with =
        std::ranges::find_if(modes, [](const auto& m) { return m.demands != nullptr; });
    return with == modes.end() ? nullptr : with->demands.get();
}

// What its modes say, each and together.
void add(policy::PolicySet set, bool no_demands, CheckedPolicy& out) {
    const auto take = [&](const std::vector<policy::Diagnostic>& from) {
        std::ranges::copy(from, std::back_inserter(out.diagnostics));
    };
    take(set.diagnostics);
    std::ranges::copy_if(set.diagnostics, std::back_inserter(out.unknown),
                         [](const auto& d) { return d.severity == policy::Severity::error; });
    for (auto& mode : set.modes) {
        take(mode.diagnostics);
        if (no_demands && mode.profile) mode.disputed = std::exchange(mode.profile, nullptr);
        out.modes.push_back(std::move(mode));
    }
    take(policy::flow_findings(*set.separation));
    out.separation = std::move(set.separation);
}

// `prefix`: before the path of a block, as it is shown.
void check(const Source& source, const std::string& prefix, const policy::ReadBlock& read,
           CheckedPolicy& out) {
    for (const auto& file : source.profiles) out.texts[file.path] = file.bytes;
    if (source.site) out.texts[source.site->path] = source.site->bytes;
    const auto read_block = [&](const std::string& block) -> Result<std::string> {
        auto bytes = read(block);
        if (bytes) out.texts[prefix + block] = *bytes;
        return bytes;
    };
    auto set =
        policy::read_policy(source.profiles, source.site ? &*source.site : nullptr, read_block);
    std::ranges::copy(source.unreadable, std::back_inserter(out.diagnostics));
    std::ranges::copy(source.unreadable, std::back_inserter(out.unknown));
    const bool no_demands = std::ranges::any_of(
        source.unreadable, [](const auto& d) { return d.rule == Rule::unreadable_site_policy; });
    add(std::move(set), no_demands, out);
}

void check(const std::string& directory, const Source& source, CheckedPolicy& out) {
    // As the profile's own path reads: "personal.json" lies in "", not in ".".
    const bool plain =
        directory == "." && !source.profiles.empty() && !source.profiles.front().path.contains('/');
    check(
        source, plain ? "" : (fs::path(directory) / "").string(),
        [&](const std::string& block) {
            return read_regular_file_below(directory, block, policy::kMaxFileSize);
        },
        out);
}

}  // namespace

namespace {

// As pmosd decides it (PolicySource::signed_only); "" where it reads a directory.
std::string sign_of_a_bundle(const ProfilePlaces& places) {
    const auto keys = list_directory(places.trust, ".pub");
    if (keys ? !keys->empty() : keys.error().code != Code::not_found)
        return fmt::format("'{}' holds a key", places.trust);
    std::error_code ignored;
    const auto bundles = list_directory(places.slots, ".bundle");
    if ((bundles && !bundles->empty()) ||
        fs::exists(fs::symlink_status(places.slots + "/slots", ignored)))
        return fmt::format("one is installed in '{}'", places.slots);
    return "";
}

}  // namespace

Result<std::string> default_profiles(const ProfilePlaces& places) {
    std::error_code ignored;
    if (fs::is_directory(places.installed, ignored)) {
        const auto sign = sign_of_a_bundle(places);
        if (sign.empty()) return places.installed;
        return fail(Code::usage, "name the profiles",
                    fmt::format("this phone's policy is a signed bundle ({}), and nobody reads "
                                "'{}'",
                                sign, places.installed),
                    "see 'pmosctl policy status' for the bundle that is used, and check the file "
                    "with 'pmosctl policy verify FILE', or name a directory");
    }
    if (fs::is_directory(places.here, ignored)) return places.here;
    return fail(Code::not_found, "no profiles to check",
                fmt::format("neither '{}' nor './{}' exists", places.installed, places.here),
                "name a directory or files");
}

Result<std::string> default_profiles() {
    return default_profiles({PMOS_PROFILES_DIR, PMOS_TRUST_DIR, PMOS_SLOTS_DIR, "profiles"});
}

Result<CheckedPolicy> check_policy(const std::vector<std::string>& paths,
                                   const std::map<std::string, std::string>& instead) {
    PMOS_ASSIGN(auto sources, collect(paths));
    for (auto& [directory, source] : sources)
        for (auto& file : source.profiles)
            if (const auto it = instead.find(file.path); it != instead.end())
                file.bytes = it->second;
    CheckedPolicy out;
    for (auto& [directory, source] : sources) check(directory, source, out);
    // Directories are checked apart, but what flows does not end at them.
    if (sources.size() > 1)
        out.separation = std::make_shared<const policy::Separation>(
            policy::separate(out.modes, policy::whole_phone(), demands_of(out.modes)));
    return out;
}

CheckedPolicy check_files(const FileSet& set, const std::string& one) {
    // A revision's own directory has nothing after the colon.
    const std::string prefix = set.shown.ends_with(':') ? set.shown : set.shown + "/";
    CheckedPolicy out;
    Source source;
    for (const auto& [path, file] : set.files) {
        const bool site = path == kSiteName;
        if (path.contains('/') || !path.ends_with(".json") ||
            (!site && !one.empty() && path != one))
            continue;
        if (!file.error.empty())
            source.unreadable.push_back(
                policy::finding(site ? Rule::unreadable_site_policy : Rule::unreadable_profile,
                                {prefix + path, 0, 0, ""}, file.error));
        else if (site)
            source.site = policy::SourceFile{prefix + path, file.bytes};
        else
            source.profiles.push_back({prefix + path, file.bytes});
    }
    check(
        source, prefix,
        [&](const std::string& block) -> Result<std::string> {
            const auto it = set.files.find(block);
            if (it == set.files.end()) return fail(Code::not_found, "there is no such file");
            if (!it->second.error.empty()) return fail(Code::failed, it->second.error);
            return it->second.bytes;
        },
        out);
    return out;
}

CheckedPolicy check_bundle(const policy::Bundle& bundle) {
    CheckedPolicy out;
    for (const auto& file : bundle.files) out.texts[bundle.label() + "/" + file.path] = file.bytes;
    add(policy::read_policy(bundle), false, out);
    return out;
}

Result<> all_known(const CheckedPolicy& policy) {
    if (policy.unknown.empty()) return {};
    const auto& first = policy.unknown.front();
    return fail(Code::disabled, fmt::format("'{}' is broken: {}", first.at.file, first.message),
                "nothing can be said of modes or demands that are not known",
                fmt::format("see 'pmosctl policy check {}'", first.at.file));
}

Error broken_profile(const policy::ModePolicy& mode) {
    Error error;
    error.code = Code::disabled;
    error.what = fmt::format("the profile '{}' is broken", mode.file);
    error.fix = fmt::format("see 'pmosctl policy check {}'", mode.file);
    return error;
}

Result<> none_broken(std::span<const policy::ModePolicy> modes) {
    for (const auto& mode : modes)
        if (!mode.profile && !mode.disputed) {
            Error error = broken_profile(mode);
            error.why = "nothing can be said of modes that are not known";
            return fail(std::move(error));
        }
    return {};
}

Result<policy::ModePolicy> find_mode(const CheckedPolicy& policy, const std::string& mode) {
    const auto it = std::ranges::find(policy.modes, mode, &policy::ModePolicy::mode);
    if (it == policy.modes.end()) {
        PMOS_TRY(all_known(policy));  // it may be in a file that could not be read
        std::vector<std::string_view> names;
        for (const auto& m : policy.modes) names.push_back(m.mode);
        return fail(Code::unknown_mode, fmt::format("there is no mode '{}'", mode), "",
                    names.empty() ? "" : fmt::format("one of: {}", fmt::join(names, ", ")));
    }
    if (!it->profile) return fail(broken_profile(*it));
    return *it;
}

}  // namespace pmos::cli
