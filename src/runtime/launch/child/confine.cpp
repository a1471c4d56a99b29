// launch child: Landlock, the LSM's label, seccomp and exec. Runs after clone3: no heap, no locks;
// opens nothing once Landlock is on.
#include <errno.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>

#include <cstring>

#include "runtime/launch/child/child.h"
#include "runtime/launch/number.h"
#include "runtime/launch/tree.h"
#include "runtime/sys/file.h"
#include "runtime/sys/process.h"
#include "runtime/sys/search_path.h"

namespace pmos::launch {
namespace {

constexpr std::uint64_t kFileRights = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                      LANDLOCK_ACCESS_FS_READ_FILE | 1ULL << 14;  // TRUNCATE

// A rule on a file may name only rights that a file has.
int add_rule(int ruleset, int path, std::uint64_t access) noexcept {
    struct stat file {};
    if (const int err = sys::sys_fstat(path, &file); err < 0) return err;
    landlock_path_beneath_attr rule{};
    rule.allowed_access = S_ISDIR(file.st_mode) ? access : access & kFileRights;
    rule.parent_fd = path;
    if (rule.allowed_access == 0) return 0;
    return sys::sys_landlock_add_rule(ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule);
}

int build_ruleset(Child& child) noexcept {
    const image::Header& h = child.header();
    if (h.landlock_handled == 0) return 0;
    const landlock_ruleset_attr attr{h.landlock_handled};
    child.ruleset = sys::sys_landlock_create_ruleset(&attr, sizeof attr.handled_access_fs, 0);
    if (child.ruleset < 0) return child.ruleset;
    for (const image::LandlockRule& rule : child.plan().table(h.landlock)) {
        ++child.op;
        // Links are followed, within the mode's root: /bin is one in most images.
        const int path =
            sys::sys_openat2(AT_FDCWD, child.plan().text(rule.path), O_PATH | O_CLOEXEC, 0,
                             RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
        if (path == -ENOENT) continue;  // nothing there to grant
        if (path < 0) return path;
        const int err = add_rule(child.ruleset, path, rule.access);
        sys::sys_close(path);
        if (err < 0) return err;
    }
    child.op = -1;
    return 0;
}

int open_label(Child& child) noexcept {
    if (child.header().apparmor.size == 0) return 0;
    // thread-self is a link by text, no magic one.
    child.label =
        sys::sys_openat2(AT_FDCWD, "/proc/thread-self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC, 0,
                         RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    if (child.label < 0) return child.label;
    return expect_filesystem(child.label, PROC_SUPER_MAGIC);
}

}  // namespace

int open_confinement(Child& child) noexcept {
    if (const int err = build_ruleset(child); err < 0) return err;
    return open_label(child);
}

int restrict_by_landlock(Child& child) noexcept {
    return child.ruleset < 0 ? 0 : sys::sys_landlock_restrict_self(child.ruleset);
}

int set_label(Child& child) noexcept {
    if (child.label < 0) return 0;
    TextBuffer<512> text;
    text.add("exec ");
    text.add(child.plan().text(child.header().apparmor));
    if (text.full()) return -ENAMETOOLONG;
    const long written = sys::sys_write(child.label, text.text(), text.size());
    return written < 0 ? static_cast<int>(written) : 0;
}

int install_seccomp(Child& child) noexcept {
    static_assert(sizeof(image::Instruction) == sizeof(sock_filter));
    const auto code = child.plan().table(child.header().seccomp);
    sock_fprog program{};
    program.len = static_cast<unsigned short>(code.size());
    // The kernel only reads it, and the types are the same 8 bytes.
    program.filter = reinterpret_cast<sock_filter*>(const_cast<image::Instruction*>(code.data()));
    const unsigned flags = child.header().seccomp_flags;
    const int result = sys::sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, &program);
    if (result < 0 || (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) == 0) return result;
    // The filter may know no sendmsg(2) to pass the listener by: the launcher takes it.
    if (const int err =
            tell_launcher(child.launch.child_report, {Step::child_seccomp, 0, result}, -1);
        err < 0)
        return err;
    const int err = await_launcher(child);
    sys::sys_close(result);
    return err;
}

int execute(Child& child) noexcept {
    Launch& launch = child.launch;
    // Only builds with faults: pmos-init reads from its name which of its steps is to fail.
    if (fails_here(launch, Step::init_fork)) launch.argv[0] = "fail init-fork";
    if (fails_here(launch, Step::init_exec)) launch.argv[0] = "fail init-exec";
    return sys::sys_execveat(kInitImageFd, "", launch.argv, launch.envp, AT_EMPTY_PATH);
}

int execute_program(Child& child) noexcept {
    const int err = tell_launcher(child.launch.child_report, {}, -1);
    return err < 0 ? err : sys::execute_by_search(child.launch.argv + 1, child.launch.envp);
}

}  // namespace pmos::launch
