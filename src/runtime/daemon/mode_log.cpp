// daemon: where the output of a mode goes. See mode_log.h. Holds nothing in memory.
#include "runtime/daemon/mode_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

// <sys/mount.h> of glibc 2.36 and <linux/mount.h>, which the raw calls need, exclude each other.
#include "runtime/sys/mount.h"

namespace pmos::daemon {
namespace {

constexpr off_t kLogBound = 1 << 20;
constexpr std::uint64_t kMsShared = 1U << 20;  // MS_SHARED
constexpr unsigned kRecursive = 0x8000;        // AT_RECURSIVE
constexpr std::uint64_t kStrict = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

Result<> make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return fail(errno_error(errno, "cannot make '" + path + "'"));
    return {};
}

Result<bool> is_mounted(const std::string& path, const std::string& above) {
    struct stat here {
    }, there{};
    if (::stat(path.c_str(), &here) != 0 || ::stat(above.c_str(), &there) != 0)
        return fail(errno_error(errno, "cannot look at '" + path + "'"));
    return here.st_dev != there.st_dev;
}

// Options come in pairs of a name and a value.
Result<> mount_tmpfs(const std::string& path, std::initializer_list<const char*> options) {
    const UniqueFd context(sys::sys_fsopen("tmpfs", FSOPEN_CLOEXEC));
    int err = context.get();
    for (auto it = options.begin(); err >= 0 && it != options.end(); it += 2)
        err = sys::sys_fsconfig(context.get(), FSCONFIG_SET_STRING, it[0], it[1], 0);
    if (err >= 0) err = sys::sys_fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
    if (err >= 0) err = sys::sys_fsmount(context.get(), FSMOUNT_CLOEXEC, kStrict);
    const UniqueFd tree(err);
    if (err >= 0)
        err = sys::sys_move_mount(tree.get(), "", AT_FDCWD, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH);
    if (err < 0) return fail(errno_error(-err, "cannot mount '" + path + "'"));
    return {};
}

Result<UniqueFd> open_file(const std::string& path, int flags) {
    UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return fail(errno_error(errno, "cannot open '" + path + "'"));
    return fd;
}

}  // namespace

Result<UniqueFd> open_logs(const Paths& paths) {
    const std::string logs = paths.logs();
    PMOS_TRY(make_directory(paths.run));
    PMOS_TRY(make_directory(logs));
    PMOS_ASSIGN(const bool mounted, is_mounted(logs, paths.run));
    if (!mounted)
        PMOS_TRY(mount_tmpfs(logs, {"source", "pmos-logs", "size", "64k", "mode", "0700"}));
    mount_attr shared{};
    shared.propagation = kMsShared;
    if (const int err = sys::sys_mount_setattr(AT_FDCWD, logs.c_str(), 0, shared); err < 0)
        return fail(errno_error(-err, "cannot share '" + logs + "'"));
    const int tree = sys::sys_open_tree(AT_FDCWD, logs.c_str(),
                                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | kRecursive);
    if (tree < 0) return fail(errno_error(-tree, "cannot open '" + logs + "'"));
    return UniqueFd(tree);
}

Result<> attach_logs(const Paths& paths, UniqueFd logs) {
    const std::string path = paths.logs();
    int err = sys::sys_umount2(path.c_str(), sys::kUmountDetach);
    if (err >= 0)
        err = sys::sys_move_mount(logs.get(), "", AT_FDCWD, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH);
    if (err < 0) return fail(errno_error(-err, "cannot attach '" + path + "'"));
    return {};
}

Result<> make_log(const Paths& paths, const std::string& mode) {
    const std::string dir = paths.log_dir(mode);
    PMOS_TRY(make_directory(dir));
    PMOS_ASSIGN(const bool mounted, is_mounted(dir, paths.logs()));
    if (mounted) return {};
    // What a mode that writes without end may write until it is cut, once a second.
    return mount_tmpfs(dir,
                       {"source", "pmos-log", "size", "16m", "nr_inodes", "8", "mode", "0700"});
}

// Whoever still reads keeps what is open; the file system goes with the last of them.
Result<> remove_log(const Paths& paths, const std::string& mode) {
    const std::string dir = paths.log_dir(mode), file = paths.log(mode);
    if (::unlink(file.c_str()) != 0 && errno != ENOENT)
        return fail(errno_error(errno, "cannot remove '" + file + "'"));
    const int err = sys::sys_umount2(dir.c_str(), sys::kUmountDetach);
    if (err < 0 && err != -EINVAL && err != -ENOENT)
        return fail(errno_error(-err, "cannot unmount '" + dir + "'"));
    if (::rmdir(dir.c_str()) != 0 && errno != ENOENT)
        return fail(errno_error(errno, "cannot remove '" + dir + "'"));
    return {};
}

Result<UniqueFd> open_log(const Paths& paths, const std::string& mode) {
    PMOS_TRY(make_log(paths, mode));
    return open_file(paths.log(mode), O_WRONLY | O_CREAT | O_APPEND);
}

Result<UniqueFd> open_log_to_read(const Paths& paths, const std::string& mode) {
    PMOS_TRY(open_log(paths, mode));
    return open_file(paths.log(mode), O_RDONLY);
}

void bound_log(const Paths& paths, const std::string& mode) {
    const auto fd = open_file(paths.log(mode), O_RDWR);
    struct stat status {};
    if (!fd || ::fstat(fd->get(), &status) != 0 || status.st_size <= kLogBound) return;
    std::vector<char> tail(static_cast<std::size_t>(kLogBound / 2));
    const ssize_t n = ::pread(fd->get(), tail.data(), tail.size(),
                              status.st_size - static_cast<off_t>(tail.size()));
    if (::ftruncate(fd->get(), 0) != 0 || n <= 0) return;
    static_cast<void>(!::pwrite(fd->get(), tail.data(), static_cast<std::size_t>(n), 0));
}

}  // namespace pmos::daemon
