// oci: our own program's file, out of reach of what is launched. See own_file.h.
#include "runtime/oci/own_file.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

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

}  // namespace

Result<> leave_own_file(char** argv, Command command) {
    const bool launches =
        command == Command::create || command == Command::run || command == Command::exec;
    if (!launches || ::geteuid() != 0 || is_read_only()) return {};
    const int tree = sys::sys_open_tree(AT_FDCWD, kOwn, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    const UniqueFd file(tree);
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_RDONLY;
    int err = tree < 0 ? tree : sys::sys_mount_setattr(tree, "", AT_EMPTY_PATH, attr);
    if (err == 0) err = sys::sys_execveat(tree, "", argv, environ, AT_EMPTY_PATH);
    return fail(errno_error(-err, "cannot put this program out of reach"));
}

}  // namespace pmos::oci
