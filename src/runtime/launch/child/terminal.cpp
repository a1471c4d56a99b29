// launch child: a terminal out of the mode's own devpts. Runs after clone3: no heap, no locks;
// believes no path that it has not looked at by descriptor.
#include <errno.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "runtime/launch/child/child.h"
#include "runtime/launch/tree.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mount.h"

namespace pmos::launch {
namespace {

int open_master() noexcept {
    const int fd = sys::sys_openat2(AT_FDCWD, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, 0,
                                    RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
    if (fd < 0) return fd;
    struct stat file {};
    if (const int err = sys::sys_fstat(fd, &file); err < 0) return err;
    if (!S_ISCHR(file.st_mode) || file.st_rdev != makedev(5, 2)) return -ESTALE;
    const int err = expect_filesystem(fd, DEVPTS_SUPER_MAGIC);
    return err < 0 ? err : fd;
}

int open_peer(int master) noexcept {
    const int locked = 0;
    int err = sys::sys_ioctl(master, TIOCSPTLCK, &locked);
    if (err < 0) return err;
    const int peer = sys::sys_ioctl(
        master, TIOCGPTPEER, reinterpret_cast<const void*>(long{O_RDWR | O_NOCTTY | O_CLOEXEC}));
    if (peer < 0) return peer;
    err = expect_filesystem(peer, DEVPTS_SUPER_MAGIC);
    return err < 0 ? err : peer;
}

// Over the name that programs know, made where it is missing.
int cover_console(int peer) noexcept {
    const int tree =
        sys::sys_open_tree(peer, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree < 0) return tree;
    const int made =
        sys::sys_openat(AT_FDCWD, "/dev/console", O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0620);
    if (made < 0 && made != -EEXIST) return made;
    if (made >= 0) sys::sys_close(made);
    const int target = open_below(AT_FDCWD, "/dev/console", 0);
    if (target < 0) return target;
    const int err = sys::sys_attach_mount(tree, target);
    sys::sys_close(tree);
    sys::sys_close(target);
    return err;
}

}  // namespace

int put_console(Child& child) noexcept {
    if (const int err = open_tty(child); err < 0 || child.stdio[0] < 0) return err;
    return cover_console(child.stdio[0]);
}

int open_tty(Child& child) noexcept {
    const Request& request = child.launch.request;
    if (request.allocate_tty == 0) return 0;
    const int master = open_master();
    if (master < 0) return master;
    const int peer = open_peer(master);
    if (peer < 0) return peer;
    const image::Header& h = child.header();
    int err = sys::sys_fchownat(peer, "", h.uid, ~0U, AT_EMPTY_PATH);
    if (err < 0) return err;
    const winsize size{request.rows, request.columns, 0, 0};
    if (err = sys::sys_ioctl(peer, TIOCSWINSZ, &size); err < 0) return err;
    if (err = sys::sys_ioctl(peer, TIOCSCTTY, nullptr); err < 0) return err;
    for (int& stdio : child.stdio) stdio = peer;
    return tell_launcher(child.launch.child_report, {Step::enter_tty, 0, -1}, master);
}

}  // namespace pmos::launch
