// launch child: descriptors, user, limits and capabilities. Runs after clone3: no heap, no locks;
// believes that something was dropped only after reading it back.
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>

#include "runtime/launch/child/child.h"
#include "runtime/sys/file.h"
#include "runtime/sys/process.h"

namespace pmos::launch {
namespace {

constexpr unsigned kLastCapability = 63;
constexpr unsigned kNoRoot = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                             SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                             SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

int keep(int from, int to, int flags) noexcept {
    return from < 0 ? 0 : sys::sys_dup3(from, to, flags);
}

int drop_bounding(std::uint64_t kept) noexcept {
    for (unsigned cap = 0; cap <= kLastCapability; ++cap) {
        if ((kept >> cap & 1U) != 0) continue;
        const int err = sys::sys_prctl(PR_CAPBSET_DROP, cap);
        if (err == -EINVAL) break;  // this kernel's last capability lies behind us
        if (err < 0) return err;
    }
    return 0;
}

int check_bounding(std::uint64_t wanted) noexcept {
    for (unsigned cap = 0; cap <= kLastCapability; ++cap) {
        const bool want = (wanted >> cap & 1U) != 0;
        const int has = sys::sys_prctl(PR_CAPBSET_READ, cap);
        if (has == -EINVAL) return want ? -EINVAL : 0;
        if (has < 0) return has;
        if ((has == 1) != want) return -ESTALE;
    }
    return 0;
}

struct Sets {
    std::uint64_t effective, permitted, inheritable;
};

int write_sets(const Sets& sets) noexcept {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2];
    for (unsigned half = 0; half < 2; ++half) {
        const unsigned shift = half * 32;
        data[half].effective = static_cast<std::uint32_t>(sets.effective >> shift);
        data[half].permitted = static_cast<std::uint32_t>(sets.permitted >> shift);
        data[half].inheritable = static_cast<std::uint32_t>(sets.inheritable >> shift);
    }
    return sys::sys_capset(&header, data);
}

int read_sets(Sets& sets) noexcept {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    const int err = sys::sys_capget(&header, data);
    sets = {data[0].effective | std::uint64_t{data[1].effective} << 32,
            data[0].permitted | std::uint64_t{data[1].permitted} << 32,
            data[0].inheritable | std::uint64_t{data[1].inheritable} << 32};
    return err;
}

int raise_ambient(const image::Header& h) noexcept {
    const int err = sys::sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
    if (err < 0 || h.cap_ambient == 0) return err;
    Sets now{};
    if (const int read = read_sets(now); read < 0) return read;
    now.inheritable = h.cap_inheritable;
    if (const int set = write_sets(now); set < 0) return set;
    for (unsigned cap = 0; cap <= kLastCapability; ++cap) {
        if ((h.cap_ambient >> cap & 1U) == 0) continue;
        const int raised = sys::sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap);
        if (raised < 0) return raised;
    }
    return 0;
}

// The kernel keeps ambient within permitted and inheritable: empty there is empty here.
int check_ambient(const image::Header& h) noexcept {
    if (h.cap_inheritable == 0) return 0;
    for (unsigned cap = 0; cap <= kLastCapability; ++cap) {
        const int set = sys::sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap);
        if (set == -EINVAL) break;
        if (set < 0) return set;
        if ((set == 1) != ((h.cap_ambient >> cap & 1U) != 0)) return -ESTALE;
    }
    return 0;
}

// Root inside without capabilities is to stay so; with capabilities a root's exec needs them back.
unsigned securebits(const image::Header& h) noexcept {
    if (h.container != 0) return 0;
    return h.uid != 0 || h.cap_permitted == 0 ? kNoRoot : 0;
}

}  // namespace

int open_stdio(Child& child) noexcept {
    constexpr Slot kSlots[] = {slot_stdin, slot_stdout, slot_stderr};
    for (int i = 0; i < 3; ++i) {
        int& fd = child.stdio[i];
        if (fd >= 0) continue;
        fd = child.launch.slot(kSlots[i]);
        if (fd >= 0) continue;
        fd = sys::sys_openat2(AT_FDCWD, "/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC, 0,
                              RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
        if (fd < 0) return fd;
    }
    return 0;
}

int check_cwd() noexcept {
    char path[kMaxPath];
    const int size = sys::sys_getcwd(path, sizeof path);
    if (size < 0) return size;
    return path[0] == '/' ? 0 : -ESTALE;  // "(unreachable)": CVE-2024-21626
}

int close_descriptors(Child& child) noexcept {
    if (const int err = open_stdio(child); err < 0) return err;
    Launch& launch = child.launch;
    const bool start = launch.is(Verb::start);
    const struct {
        int from, to, flags;
    } moves[] = {
        {child.stdio[0], 0, 0},
        {child.stdio[1], 1, 0},
        {child.stdio[2], 2, 0},
        {start ? launch.slot(slot_status) : -1, kInitStatusFd, 0},
        {launch.child_report, kInitReportFd, start ? 0 : O_CLOEXEC},
        {launch.slot(slot_program), kInitImageFd, O_CLOEXEC},
        {child.label, kLabelFd, O_CLOEXEC},
        {child.ruleset, kRulesetFd, O_CLOEXEC},
    };
    for (const auto& move : moves)
        if (const int err = keep(move.from, move.to, move.flags); err < 0) return err;
    launch.child_report = kInitReportFd;
    if (child.label >= 0) child.label = kLabelFd;
    if (child.ruleset >= 0) child.ruleset = kRulesetFd;
    return sys::sys_close_range(kFirstClosedFd, ~0U, 0);
}

int take_identity(Child& child) noexcept {
    const image::Header& h = child.header();
    sys::sys_umask(h.umask);
    const auto gids = child.plan().table(h.additional_gids);
    if (const int err = sys::sys_setgroups(gids.size(), gids.data()); err < 0) return err;
    // Capabilities stay until child_capabilities sets them; exec clears this bit again.
    if (const int err = sys::sys_prctl(PR_SET_KEEPCAPS, 1); err < 0) return err;
    if (const int err = sys::sys_setresgid(h.gid); err < 0) return err;
    if (const int err = sys::sys_setresuid(h.uid); err < 0) return err;
    if (const int err = sys::sys_prctl(PR_SET_DUMPABLE, 0); err < 0) return err;
    if (const int err = sys::sys_chdir(child.plan().text(h.cwd)); err < 0) return err;
    return check_cwd();
}

int set_rlimits(Child& child) noexcept {
    for (const image::Rlimit& r : child.plan().table(child.header().rlimits)) {
        ++child.op;
        const rlimit limit{r.soft, r.hard};
        if (const int err = sys::sys_prlimit(0, r.resource, &limit, nullptr); err < 0) return err;
    }
    return 0;
}

int set_capabilities(Child& child) noexcept {
    const image::Header& h = child.header();
    // A change of user left the effective set empty, keepcaps the permitted one full.
    Sets now{};
    if (const int err = read_sets(now); err < 0) return err;
    now.effective = now.permitted;
    if (const int err = write_sets(now); err < 0) return err;
    if (const int err = drop_bounding(h.cap_bounding); err < 0) return err;
    if (const int err = raise_ambient(h); err < 0) return err;
    const unsigned bits = securebits(h);
    if (sys::sys_prctl(PR_GET_SECUREBITS) != static_cast<int>(bits))
        if (const int err = sys::sys_prctl(PR_SET_SECUREBITS, bits); err < 0) return err;
    const Sets wanted{h.cap_effective, h.cap_permitted, h.cap_inheritable};
    if (const int err = write_sets(wanted); err < 0) return err;

    if (const int err = read_sets(now); err < 0) return err;
    if (now.effective != wanted.effective || now.permitted != wanted.permitted ||
        now.inheritable != wanted.inheritable)
        return -ESTALE;
    if (const int err = check_bounding(h.cap_bounding); err < 0) return err;
    if (const int err = check_ambient(h); err < 0) return err;
    return sys::sys_prctl(PR_GET_SECUREBITS) == static_cast<int>(bits) ? 0 : -ESTALE;
}

int set_no_new_privs(Child&) noexcept {
    if (const int err = sys::sys_prctl(PR_SET_NO_NEW_PRIVS, 1); err < 0) return err;
    return sys::sys_prctl(PR_GET_NO_NEW_PRIVS) == 1 ? 0 : -ESTALE;
}

}  // namespace pmos::launch
