// daemon: reads the profiles directory. Hands bytes to policy, judges nothing.
#include "runtime/daemon/policy_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>

namespace pmos::daemon {
namespace {

constexpr off_t kMaxProfile = 1 << 20;

// Only a regular file that its owner alone writes: a FIFO would block, a link could be swapped.
Result<std::string> read_profile(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd) return fail(errno_error(errno, "cannot open '" + path + "'"));
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0)
        return fail(errno_error(errno, "cannot look at '" + path + "'"));
    if (!S_ISREG(status.st_mode)) return fail(Code::usage, "'" + path + "' is not a regular file");
    if (status.st_size > kMaxProfile)
        return fail(Code::usage, "'" + path + "' is larger than 1 MiB");
    std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
    std::size_t used = 0;
    while (used < bytes.size()) {
        const ssize_t n = ::read(fd.get(), bytes.data() + used, bytes.size() - used);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(errno_error(errno, "cannot read '" + path + "'"));
        if (n == 0) break;
        used += static_cast<std::size_t>(n);
    }
    bytes.resize(used);
    return bytes;
}

void add_unreadable(policy::PolicySet& set, const std::filesystem::path& path, const Error& error) {
    policy::ModePolicy mode;
    mode.mode = path.stem().string();
    mode.file = path.string();
    policy::Diagnostic d;
    d.rule = "unreadable-profile";
    d.at.file = mode.file;
    d.message = error.message();
    mode.diagnostics.push_back(std::move(d));
    set.modes.push_back(std::move(mode));
}

}  // namespace

policy::PolicySet load_policy(const Paths& paths) {
    namespace fs = std::filesystem;
    std::vector<fs::path> files;
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(paths.profiles, ec))
        if (entry.path().extension() == ".json") files.push_back(entry.path());
    std::ranges::sort(files);

    std::vector<policy::SourceFile> profiles;
    std::optional<policy::SourceFile> site;
    std::vector<std::pair<fs::path, Error>> unreadable;
    for (const auto& file : files) {
        auto bytes = read_profile(file.string());
        if (!bytes) {
            unreadable.emplace_back(file, std::move(bytes.error()));
        } else if (file.filename() == "site.json") {
            site = policy::SourceFile{file.string(), std::move(*bytes)};
        } else {
            profiles.push_back({file.string(), std::move(*bytes)});
        }
    }
    auto set = policy::read_policy(
        profiles, site ? &*site : nullptr,
        [&](const std::string& block) { return read_profile(paths.profiles + "/" + block); });
    if (!site && std::ranges::none_of(
                     unreadable, [](const auto& u) { return u.first.filename() == "site.json"; })) {
        policy::Diagnostic d;
        d.severity = policy::Severity::warning;
        d.rule = "no-site-policy";
        d.at.file = paths.profiles + "/site.json";
        d.message = "there is no site policy: the profiles answer to nobody";
        d.fix = "install a site.json with what this phone's owner demands";
        set.diagnostics.push_back(std::move(d));
    }
    for (const auto& [file, error] : unreadable) {
        // Without the owner's demands nothing may run.
        if (file.filename() == "site.json") {
            for (auto& mode : set.modes) {
                policy::Diagnostic d;
                d.rule = "unreadable-site-policy";
                d.at.file = file.string();
                d.message = error.message();
                mode.diagnostics.push_back(std::move(d));
                mode.profile.reset();
            }
            continue;
        }
        add_unreadable(set, file, error);
    }
    return set;
}

}  // namespace pmos::daemon
