// daemon: reads the profiles directory. Hands bytes to policy, judges nothing.
#include "runtime/daemon/policy_files.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/regular_file.h"
#include "policy/json_reader.h"

namespace pmos::daemon {
namespace {

void add_unreadable(policy::PolicySet& set, const std::filesystem::path& path, const Error& error) {
    policy::ModePolicy mode;
    mode.mode = path.stem().string();
    mode.file = path.string();
    mode.diagnostics.push_back(policy::finding(policy::Rule::unreadable_profile,
                                               {mode.file, 0, 0, ""}, error.message(), error.fix));
    set.modes.push_back(std::move(mode));
}

void keep(std::vector<PolicyFile>& read, std::string path, const Result<std::string>& bytes) {
    read.push_back(bytes ? PolicyFile{std::move(path), *bytes}
                         : PolicyFile{std::move(path), "", bytes.error().message()});
}

const PolicyFile* find(const std::vector<PolicyFile>& read, const std::string& path) {
    const auto it = std::ranges::find(read, path, &PolicyFile::path);
    return it == read.end() ? nullptr : &*it;
}

}  // namespace

policy::PolicySet load_policy(const Paths& paths, std::vector<PolicyFile>& read) {
    namespace fs = std::filesystem;
    read.clear();
    std::vector<fs::path> files;
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(paths.profiles, ec))
        if (entry.path().extension() == ".json") files.push_back(entry.path());
    std::ranges::sort(files);

    std::vector<policy::SourceFile> profiles;
    std::optional<policy::SourceFile> site;
    std::vector<std::pair<fs::path, Error>> unreadable;
    for (const auto& file : files) {
        auto bytes = read_regular_file(file.string(), policy::kMaxFileSize);
        keep(read, file.filename().string(), bytes);
        if (!bytes) {
            unreadable.emplace_back(file, std::move(bytes.error()));
        } else if (file.filename() == "site.json") {
            site = policy::SourceFile{file.string(), std::move(*bytes)};
        } else {
            profiles.push_back({file.string(), std::move(*bytes)});
        }
    }
    auto set = policy::read_policy(
        profiles, site ? &*site : nullptr, [&](const std::string& block) -> Result<std::string> {
            // Two profiles that extend it must not find two versions.
            if (const auto* known = find(read, block); known != nullptr)
                return known->error.empty() ? Result<std::string>(known->bytes)
                                            : fail(Code::failed, known->error);
            auto bytes = read_regular_file_below(paths.profiles, block, policy::kMaxFileSize);
            keep(read, block, bytes);
            return bytes;
        });
    if (!site && std::ranges::none_of(
                     unreadable, [](const auto& u) { return u.first.filename() == "site.json"; })) {
        set.diagnostics.push_back(
            policy::finding(policy::Rule::no_site_policy, {paths.profiles + "/site.json", 0, 0, ""},
                            "there is no site policy: the profiles answer to nobody",
                            "install a site.json with what this phone's owner demands"));
    }
    for (const auto& [file, error] : unreadable) {
        // Without the owner's demands nothing may run.
        if (file.filename() == "site.json") {
            for (auto& mode : set.modes) {
                mode.diagnostics.push_back(policy::finding(policy::Rule::unreadable_site_policy,
                                                           {file.string(), 0, 0, ""},
                                                           error.message(), error.fix));
                mode.profile.reset();
            }
            continue;
        }
        add_unreadable(set, file, error);
    }
    return set;
}

}  // namespace pmos::daemon
