// policy: the @groups of system calls that profiles name. Written for pmos; the names and the
// sense of each follow systemd.exec(5), what is in them is our own choice.
#include <array>

#include "policy/syscalls.h"

namespace pmos::policy {
namespace {

constexpr std::array kGroups{
    SyscallGroup{
        "@default", "What every program needs: start, memory, time, threads, waiting, exit.",
        "arch_prctl brk cacheflush clock_getres clock_gettime clock_nanosleep close close_range "
        "execve exit exit_group futex futex_waitv get_robust_list get_thread_area getcpu getegid "
        "geteuid getgid getgroups getpgid getpgrp getpid getppid getrandom getresgid getresuid "
        "getrlimit getrusage getsid gettid gettimeofday getuid madvise membarrier mmap mprotect "
        "mremap munmap nanosleep pause prlimit64 read readv restart_syscall rseq rt_sigaction "
        "rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait "
        "sched_getaffinity sched_yield set_robust_list set_tid_address sigaltstack time uname "
        "write writev ugetrlimit"},
    SyscallGroup{"@aio",
                 "Asynchronous I/O, io_uring excepted: one number of requests for all modes.",
                 "io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit"},
    SyscallGroup{"@io-uring", "io_uring: its operations pass no system call filter.",
                 "io_uring_enter io_uring_register io_uring_setup"},
    SyscallGroup{"@basic-io", "Reading, writing, seeking, duplicating descriptors.",
                 "close close_range dup dup2 dup3 lseek pread64 preadv preadv2 pwrite64 pwritev "
                 "pwritev2 read readv write writev"},
    SyscallGroup{
        "@file-system", "Files and directories by name and by descriptor.",
        "access chdir chmod close creat faccessat faccessat2 fadvise64 fallocate fchdir fchmod "
        "fchmodat fcntl fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstatfs "
        "fsync ftruncate futimesat getcwd getdents getdents64 getxattr inotify_add_watch "
        "inotify_init inotify_init1 inotify_rm_watch ioctl lgetxattr link linkat listxattr "
        "llistxattr lremovexattr lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open "
        "openat openat2 readahead readlink readlinkat removexattr rename renameat renameat2 rmdir "
        "setxattr stat statfs statx symlink symlinkat truncate umask unlink unlinkat utime "
        "utimensat utimes copy_file_range sendfile splice tee vmsplice"},
    SyscallGroup{"@io-event", "Waiting for descriptors.",
                 "epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd "
                 "eventfd2 poll ppoll pselect6 select signalfd signalfd4"},
    SyscallGroup{"@ipc", "Pipes, System V and POSIX IPC, memory files.",
                 "memfd_create mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend "
                 "mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 semctl semget semop semtimedop "
                 "shmat shmctl shmdt shmget"},
    SyscallGroup{"@cross-memory", "Another process's memory.",
                 "kcmp process_madvise process_mrelease process_vm_readv process_vm_writev"},
    SyscallGroup{"@network-io", "Sockets.",
                 "accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom "
                 "recvmmsg recvmsg sendmmsg sendmsg sendto setsockopt shutdown socket socketpair"},
    SyscallGroup{
        "@process", "Processes and threads, without new namespaces.",
        "capget clone clone3 execve execveat fork getpgid getpgrp getsid kill "
        "personality pidfd_open pidfd_send_signal prctl rt_sigqueueinfo rt_tgsigqueueinfo setpgid "
        "setsid tgkill times tkill vfork wait4 waitid"},
    SyscallGroup{"@signal", "Signals.",
                 "kill pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend "
                 "rt_sigtimedwait sigaltstack signalfd signalfd4 tgkill tkill"},
    SyscallGroup{"@sync", "Writing files out.",
                 "fdatasync fsync msync sync sync_file_range syncfs"},
    SyscallGroup{
        "@timer", "Timers.",
        "alarm getitimer setitimer timer_create timer_delete timer_getoverrun "
        "timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime times"},
    SyscallGroup{"@chown", "Owners of files.", "chown fchown fchownat lchown"},
    SyscallGroup{"@setuid", "Identity of a process.",
                 "capset setfsgid setfsuid setgid setgroups setregid setresgid setresuid setreuid "
                 "setuid"},
    SyscallGroup{"@memlock", "Locked memory.", "mlock mlock2 mlockall munlock munlockall"},
    SyscallGroup{"@resources", "Priorities, limits, placement.",
                 "getpriority ioprio_get ioprio_set mbind migrate_pages move_pages "
                 "sched_get_priority_max sched_get_priority_min sched_getattr sched_getparam "
                 "sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr "
                 "sched_setparam sched_setscheduler set_mempolicy set_mempolicy_home_node "
                 "get_mempolicy setpriority setrlimit"},
    SyscallGroup{"@pkey", "Memory protection keys.", "pkey_alloc pkey_free pkey_mprotect"},
    SyscallGroup{"@sandbox", "A program's own further confinement.",
                 "landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp"},
    SyscallGroup{"@memory", "Memory beyond what @default has.", "mincore msync remap_file_pages"},
    SyscallGroup{"@information", "What the system is.", "sysinfo getcpu capget"},
    SyscallGroup{
        "@system-service", "A sensible start for a mode that runs Debian's programs.",
        "@default @basic-io @file-system @io-event @ipc @network-io @process @signal @sync "
        "@timer @chown @setuid @memlock @resources @pkey @sandbox @memory @information"},
    SyscallGroup{"@debug", "Watching and steering other processes.",
                 "lookup_dcookie perf_event_open pidfd_getfd ptrace process_vm_readv "
                 "process_vm_writev"},
    SyscallGroup{"@mount", "Mounts and roots.",
                 "chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree "
                 "pivot_root umount umount2"},
    SyscallGroup{"@namespace", "New and other namespaces.", "setns unshare"},
    SyscallGroup{"@keyring", "The kernel's keyrings: no namespace covers them.",
                 "add_key keyctl request_key"},
    SyscallGroup{"@module", "Kernel modules.", "delete_module finit_module init_module"},
    SyscallGroup{"@raw-io", "Hardware.",
                 "ioperm iopl pciconfig_iobase pciconfig_read "
                 "pciconfig_write"},
    SyscallGroup{"@reboot", "Restart and another kernel.", "kexec_file_load kexec_load reboot"},
    SyscallGroup{"@swap", "Swap devices.", "swapoff swapon"},
    SyscallGroup{"@clock", "Setting clocks.", "adjtimex clock_adjtime clock_settime settimeofday"},
    SyscallGroup{"@cpu-emulation", "Old processor modes.", "modify_ldt vm86 vm86old"},
    SyscallGroup{"@obsolete", "Long gone or never useful.",
                 "_sysctl afs_syscall create_module ftime get_kernel_syms getpmsg putpmsg "
                 "query_module security sysfs tuxcall uselib ustat vserver"},
    SyscallGroup{"@privileged", "Calls that need privileges or defeat a sandbox.",
                 "@mount @namespace @keyring @module @raw-io @reboot @swap @clock @debug acct bpf "
                 "fanotify_init fanotify_mark nfsservctl open_by_handle_at quotactl quotactl_fd "
                 "setdomainname sethostname syslog userfaultfd vhangup"},
};

}  // namespace

std::span<const SyscallGroup> syscall_groups() { return kGroups; }

std::string_view required_syscalls() {
    // pmos-init forks, waits, passes signals on and reports; execveat is for the launcher, which
    // starts it after the filter is in force (guarded: AT_EMPTY_PATH only).
    return "@default clone execveat kill wait4 waitid setpgid setsid signalfd4 ppoll poll fcntl "
           "dup2 dup3 ioctl readlink readlinkat fstat newfstatat prctl";
}

std::string_view startup_syscalls() {
    // pmos-launch's child passes the listener on and executes; pmos-init takes signals, forks, and
    // executes the program.
    return "clone close execve execveat exit_group fcntl prctl read rt_sigprocmask setsid write";
}

}  // namespace pmos::policy
