// oci: the directories that a container's cgroup consists of, and the controllers that reach it.
// Puts no process into them.
#include "runtime/oci/cgroup_levels.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ranges>

#include "base/fd.h"
#include "runtime/host/small_file.h"

namespace pmos::oci {
namespace {

constexpr int kMakeAttempts = 5;

// "/a/b" has "", "/a" and "/a/b".
std::vector<std::string> levels_of(const std::string& path) {
    std::vector<std::string> levels{""};
    for (auto end = path.find('/', 1); end != path.npos; end = path.find('/', end + 1))
        levels.push_back(path.substr(0, end));
    levels.push_back(path);
    return levels;
}

int make_all(const CgroupTree& tree, const std::vector<std::string>& levels, MadeLevels& made) {
    for (const auto& level : levels | std::views::drop(1)) {
        const std::string directory = tree.mount + level;
        if (::mkdir(directory.c_str(), 0755) == 0)
            made.add(directory);
        else if (errno != EEXIST)
            return errno;
    }
    return 0;
}

std::vector<std::string> words_of(BorrowedFd directory, const char* file) {
    return host::split_words(host::read_small_file(directory, file).value_or(""));
}

bool has(const std::vector<std::string>& words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

struct Wanted {
    std::string controller;
    const policy::CgroupLimit* limit = nullptr;  // that asks for it, one that must hold if there is
};

std::vector<Wanted> wanted_by(const std::vector<policy::CgroupLimit>& limits) {
    std::vector<Wanted> wanted;
    for (const auto& limit : limits) {
        auto controller = controller_of(limit);
        if (controller.empty()) continue;
        const auto known = std::ranges::find(wanted, controller, &Wanted::controller);
        if (known == wanted.end())
            wanted.push_back({std::move(controller), &limit});
        else if (known->limit->optional && !limit.optional)
            known->limit = &limit;
    }
    return wanted;
}

Error not_there(const CgroupTree& tree, const std::string& level, const Wanted& wanted) {
    Error error;
    error.code = Code::unsupported;
    error.what = fmt::format("cannot apply '{}'", name_of(*wanted.limit));
    error.why =
        fmt::format("cgroup '{}{}' has no controller '{}'", tree.mount, level, wanted.controller);
    const bool kernels = level.empty() || level == "/";
    if (kernels && tree.hybrid)
        error.fix =
            "cgroup v1 has it on this host: boot with systemd.unified_cgroup_hierarchy=1, "
            "or leave the limit out";
    else if (kernels)
        error.fix = "this kernel was built or started without it: leave the limit out";
    else
        error.fix =
            "let the cgroup above delegate it (Delegate= of a systemd unit), or leave the "
            "limit out";
    return error;
}

Error not_enabled(const CgroupTree& tree, const std::string& level, const Wanted& wanted, int err) {
    Error error = errno_error(err, fmt::format("cannot apply '{}'", name_of(*wanted.limit)));
    error.why = fmt::format("controller '{}' cannot be enabled in cgroup '{}{}': {}",
                            wanted.controller, tree.mount, level, error.why);
    if (err == EBUSY)
        error.fix =
            "processes are in that cgroup itself: choose '/linux/cgroupsPath' below one "
            "that has none";
    else if (err == EACCES || err == EPERM || err == EROFS)
        error.fix =
            "only who owns that cgroup may: have it delegated to you, use the systemd "
            "manager, or leave the limit out";
    return error;
}

Result<void> enable_at(const CgroupTree& tree, const std::string& level,
                       const std::vector<Wanted>& wanted) {
    const std::string path = tree.mount + level;
    const UniqueFd directory(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!directory) return fail(errno_error(errno, fmt::format("cannot open cgroup '{}'", path)));
    const auto available = words_of(directory.borrow(), "cgroup.controllers");
    const auto enabled = words_of(directory.borrow(), "cgroup.subtree_control");
    for (const auto& one : wanted) {
        if (has(enabled, one.controller)) continue;
        if (!has(available, one.controller)) {
            if (one.limit->optional) continue;
            return fail(not_there(tree, level, one));
        }
        const int err = host::write_small_file(directory.borrow(), "cgroup.subtree_control",
                                               "+" + one.controller);
        if (err != 0 && !one.limit->optional) return fail(not_enabled(tree, level, one, err));
    }
    return {};
}

}  // namespace

void MadeLevels::undo() {
    for (const auto& path : paths_ | std::views::reverse) ::rmdir(path.c_str());
    paths_.clear();
}

bool MadeLevels::has(const std::string& path) const {
    return std::ranges::find(paths_, path) != paths_.end();
}

Result<void> make_levels(const CgroupTree& tree, const std::string& path, MadeLevels& made) {
    const auto levels = levels_of(path);
    int err = make_all(tree, levels, made);
    // Another container's undo may have removed a level between two of ours.
    for (int i = 1; err == ENOENT && i < kMakeAttempts; ++i) err = make_all(tree, levels, made);
    const std::string directory = tree.mount + path;
    if (err != 0) return fail(errno_error(err, fmt::format("cannot make cgroup '{}'", directory)));
    return {};
}

Result<void> enable_controllers(const CgroupTree& tree, const std::string& path,
                                const std::vector<policy::CgroupLimit>& limits) {
    const auto wanted = wanted_by(limits);
    if (wanted.empty()) return {};
    auto levels = levels_of(path);
    levels.pop_back();
    for (const auto& level : levels) PMOS_TRY(enable_at(tree, level, wanted));
    return {};
}

std::string controller_of(const policy::CgroupLimit& limit) {
    const std::string& name = limit.controller;
    const auto from = name.empty() ? limit.file.substr(0, limit.file.find('.')) : name;
    return from == "cgroup" ? std::string() : from;
}

std::string first_required(const std::vector<policy::CgroupLimit>& limits) {
    const auto found = std::ranges::find(limits, false, &policy::CgroupLimit::optional);
    return found == limits.end() ? std::string() : name_of(*found);
}

std::string name_of(const policy::CgroupLimit& limit) {
    return limit.pointer.empty() ? limit.file : limit.pointer;
}

}  // namespace pmos::oci
