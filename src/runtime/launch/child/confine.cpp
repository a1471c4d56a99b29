// launch child: Landlock, the LSM's label, seccomp and exec. Runs after clone3: no heap, no locks;
// opens nothing once Landlock is on.
#include <errno.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstring>
#include <iterator>

#include "runtime/launch/child/child.h"
#include "runtime/launch/tree.h"
#include "runtime/sys/file.h"
#include "runtime/sys/number.h"
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
    // By our own procfs: whoever may mount inside may have covered the other (CVE-2025-52881).
    // thread-self is a link by text, no magic one.
    child.label = sys::sys_openat2(kProcFd, "thread-self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC,
                                   0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
    return child.label < 0 ? child.label : 0;
}

// In force before the mode's filter, and so asked after it: of two filters that refuse with an
// error the younger one's counts, and either one counts more than a third that would allow.
int install_judge() noexcept {
    constexpr auto kLow = static_cast<std::uint32_t>(kJudgeMark);
    constexpr auto kHigh = static_cast<std::uint32_t>(kJudgeMark >> 32U);
    constexpr std::uint32_t kSixth = offsetof(seccomp_data, args[5]);
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kSixth),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kLow, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kSixth + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kHigh, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | kAdmitted),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{std::size(code), code};
    return sys::sys_seccomp(SECCOMP_SET_MODE_FILTER, 0, &program);
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
    sys::TextBuffer<512> text;
    text.add("exec ");
    text.add(child.plan().text(child.header().apparmor));
    if (text.full()) return -ENAMETOOLONG;
    const long written = sys::sys_write(child.label, text.text(), text.size());
    return written < 0 ? static_cast<int>(written) : 0;
}

int install_seccomp(Child& child) noexcept {
    if (child.launch.slot(slot_program) >= 0)
        if (const int err = install_judge(); err < 0) return err;
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
    const Launch& launch = child.launch;
    if (const int err = tell_launcher(launch.child_report, {}, -1); err < 0) return err;
    if (launch.slot(slot_program) < 0) return sys::execute_by_search(launch.argv + 1, launch.envp);
    return sys::sys_execveat(kInitImageFd, "", launch.argv + 1, launch.envp, AT_EMPTY_PATH);
}

}  // namespace pmos::launch
