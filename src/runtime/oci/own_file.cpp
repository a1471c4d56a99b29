// oci: our own program's file, out of reach of what is launched. See own_file.h.
#include "runtime/oci/own_file.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.h"
#include "runtime/sys/mount.h"
#include "runtime/sys/process.h"

namespace pmos::oci {
namespace {

constexpr const char* kOwn = "/proc/self/exe";

bool is_read_only() {
    struct statvfs where {};
    return ::statvfs(kOwn, &where) == 0 && (where.f_flag & ST_RDONLY) != 0;
}

// Neither as its owner nor by a capability: that counts for a file whose ids are mapped
// (capable_wrt_inode_uidgid() of kernel/capability.c).
bool is_others(const policy::oci::Config& config) {
    const auto own = std::ranges::find(config.namespaces, std::uint64_t{CLONE_NEWUSER},
                                       &policy::oci::Namespace::type);
    struct stat file {};
    if (own == config.namespaces.end() || !own->path.empty() || ::stat(kOwn, &file) != 0 ||
        (file.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return false;
    return std::ranges::none_of(config.uid_map, [&](const policy::IdMap& map) {
        return file.st_uid - map.outside < map.count;
    });
}

Result<> leave(char** argv) {
    if (::geteuid() != 0 || is_read_only()) return {};
    const int tree = sys::sys_open_tree(AT_FDCWD, kOwn, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    const UniqueFd file(tree);
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_RDONLY;
    int err = tree < 0 ? tree : sys::sys_mount_setattr(tree, "", AT_EMPTY_PATH, attr);
    if (err == 0) err = sys::sys_execveat(tree, "", argv, environ, AT_EMPTY_PATH);
    return fail(errno_error(-err, "cannot put this program out of reach"));
}

}  // namespace

Result<> leave_own_file(char** argv, const policy::oci::Config& config) {
    return is_others(config) ? Result<>() : leave(argv);
}

Result<> leave_own_file_early(char** argv, std::string_view config) {
    return config.contains("uidMappings") ? Result<>() : leave(argv);
}

}  // namespace pmos::oci
