// bench: the calls of the bare launch that follow clone3, in their order. No check, no undo.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "bare.h"

namespace pmos::bench {
namespace {

using image::MountKind;

bool fails(long result) { return result < 0; }

long attach(int tree, int root, const char* path) {
    if (*path == '/') ++path;
    return ::syscall(SYS_move_mount, tree, "", root, path, MOVE_MOUNT_F_EMPTY_PATH);
}

int clone_tree(int root, const char* path, unsigned flags) {
    return static_cast<int>(
        ::syscall(SYS_open_tree, root, path + 1, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags));
}

const char* mount_all(Bare& bare) {
    for (const image::MountOp& op : bare.table(bare.header().mounts)) {
        int tree = -1;
        if (op.kind == MountKind::dev) tree = bare.dev;
        if (op.kind == MountKind::filesystem)
            tree = bare_filesystem(bare, bare.text(op.source), op);
        if (op.kind != MountKind::dev && op.kind != MountKind::filesystem) continue;
        if (tree < 0) return "fsmount";
        if (fails(attach(tree, bare.tree, bare.text(op.target)))) return "move_mount";
        ::close(tree);
    }
    return nullptr;
}

const char* mask_all(Bare& bare) {
    const int null = ::openat(bare.tree, "dev/null", O_PATH | O_CLOEXEC);
    int empty = -1;
    for (const image::MountOp& op : bare.table(bare.header().mounts)) {
        if (op.kind != MountKind::mask && op.kind != MountKind::read_only) continue;
        const char* path = bare.text(op.target);
        struct stat file {};
        if (::fstatat(bare.tree, path + 1, &file, 0) != 0) continue;
        int tree = -1;
        if (op.kind == MountKind::read_only) {
            tree = clone_tree(bare.tree, path, AT_RECURSIVE);
            mount_attr attr{};
            attr.attr_set = MOUNT_ATTR_RDONLY;
            if (fails(::syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr,
                                sizeof attr)))
                return "mount_setattr";
        } else if (!S_ISDIR(file.st_mode)) {
            tree = static_cast<int>(::syscall(SYS_open_tree, null, "",
                                              OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
        } else {
            if (empty < 0) empty = bare_filesystem(bare, "tmpfs", image::MountOp{});
            tree = static_cast<int>(::syscall(SYS_open_tree, empty, "",
                                              OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
            // An unattached mount cannot be cloned on older kernels: its first use attaches it.
            if (tree < 0) tree = empty;
        }
        if (fails(attach(tree, bare.tree, path))) return "move_mount of a mask";
        if (tree != empty) ::close(tree);
    }
    return nullptr;
}

const char* enter_root(Bare& bare) {
    mount_attr attr{};
    attr.propagation = MS_PRIVATE;
    if (fails(::syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr)))
        return "mount_setattr /";
    if (fails(::syscall(SYS_move_mount, bare.tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH)))
        return "move_mount of the root";
    if (const char* what = mount_all(bare)) return what;
    if (const char* what = mask_all(bare)) return what;
    if (::fchdir(bare.tree) != 0) return "fchdir";
    if (::syscall(SYS_pivot_root, ".", ".") != 0) return "pivot_root";
    if (::umount2(".", MNT_DETACH) != 0) return "umount2";
    return ::chdir("/") != 0 ? "chdir" : nullptr;
}

const char* drop_capabilities(const image::Header& h) {
    for (unsigned cap = 0; cap < 64; ++cap) {
        if ((h.cap_bounding >> cap & 1U) != 0) continue;
        if (::prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0) break;
    }
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return "prctl";
    if (::prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0) != 0)
        return "securebits";
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    for (unsigned half = 0; half < 2; ++half) {
        data[half].effective = static_cast<std::uint32_t>(h.cap_effective >> (half * 32));
        data[half].permitted = static_cast<std::uint32_t>(h.cap_permitted >> (half * 32));
        data[half].inheritable = static_cast<std::uint32_t>(h.cap_inheritable >> (half * 32));
    }
    return ::syscall(SYS_capset, &header, data) != 0 ? "capset" : nullptr;
}

int make_ruleset(Bare& bare) {
    const image::Header& h = bare.header();
    const landlock_ruleset_attr attr{h.landlock_handled};
    const int ruleset = static_cast<int>(
        ::syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0));
    for (const image::LandlockRule& rule : bare.table(h.landlock)) {
        landlock_path_beneath_attr beneath{};
        beneath.parent_fd = ::open(bare.text(rule.path), O_PATH | O_CLOEXEC);
        beneath.allowed_access = rule.access;
        if (fails(
                ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0)))
            return -1;
        ::close(beneath.parent_fd);
    }
    return ruleset;
}

const char* confine(Bare& bare) {
    const image::Header& h = bare.header();
    const int ruleset = h.landlock_handled != 0 ? make_ruleset(bare) : -1;
    if (h.landlock_handled != 0 && ruleset < 0) return "landlock";
    ::umask(h.umask);
    if (::syscall(SYS_setgroups, 0, nullptr) != 0) return "setgroups";
    if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return "keepcaps";
    if (::syscall(SYS_setresgid, h.gid, h.gid, h.gid) != 0) return "setresgid";
    if (::syscall(SYS_setresuid, h.uid, h.uid, h.uid) != 0) return "setresuid";
    for (const image::Rlimit& r : bare.table(h.rlimits)) {
        const rlimit64 limit{r.soft, r.hard};
        if (::syscall(SYS_prlimit64, 0, r.resource, &limit, nullptr) != 0) return "prlimit64";
    }
    if (const char* what = drop_capabilities(h)) return what;
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return "dumpable";
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "no_new_privs";
    if (ruleset >= 0 && ::syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return "landlock_restrict_self";
    const auto code = bare.table(h.seccomp);
    sock_fprog program{};
    program.len = static_cast<unsigned short>(code.size());
    program.filter = reinterpret_cast<sock_filter*>(const_cast<image::Instruction*>(code.data()));
    if (program.len != 0 && ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        return "seccomp";
    return nullptr;
}

}  // namespace

const char* bare_child(Bare& bare) {
    const image::Header& h = bare.header();
    char byte = 0;
    if (::read(bare.go, &byte, 1) != 1) return "read";
    // Root of the new namespace; setgroups(2) and the rest need its maps.
    if (::syscall(SYS_setresgid, 0, 0, 0) != 0 || ::syscall(SYS_setresuid, 0, 0, 0) != 0)
        return "setresuid 0";
    if (::setsid() < 0) return "setsid";
    if (::unshare(CLONE_NEWCGROUP) != 0) return "unshare cgroup";
    ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
    if (::sethostname(bare.text(h.hostname), h.hostname.size) != 0) return "sethostname";
    if (const char* what = enter_root(bare)) return what;
    for (int fd = 0; fd < 3; ++fd)
        if (::dup2(bare.null, fd) < 0) return "dup2";
    if (::dup3(bare.done, 3, O_CLOEXEC) < 0) return "dup3";
    if (::syscall(SYS_close_range, 4U, ~0U, 0U) != 0) return "close_range";
    if (const char* what = confine(bare)) return what;
    ::execve(bare.argv[0], bare.argv.data(), bare.envp.data());
    return "execve";
}

}  // namespace pmos::bench
