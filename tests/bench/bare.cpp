// bench: the yardstick. The system calls that it takes to make the container of a given plan, and
// nothing else: no daemon, no launcher, no PID 1 of its own, no check, no undo. One turn is:
//
//   parent  mkdirat + openat of the cgroup; bpf PROG_LOAD + PROG_ATTACH of the device filter
//           fsopen/fsconfig/fsmount of /dev, mknodat or symlinkat or mkdirat per node
//           open_tree + mount_setattr (id map) of the root image
//           setns (network namespace made ahead; with --net-in-turn: unshare instead), unshare
//           (time) + write of its offsets, pipe2 twice
//           clone3 (user, mount, pid, ipc, uts; into the cgroup; pidfd), setns back twice
//           write uid_map and gid_map, write one byte
//   child   setsid, cgroup namespace, session keyring, sethostname
//           mount_setattr private, move_mount of the root
//           per file system of the plan: fsopen, fsconfig, fsmount, move_mount
//           per mask that exists: open_tree (+ mount_setattr), move_mount
//           pivot_root, umount2, chdir; Landlock ruleset with the plan's rules
//           dup2 and dup3, close_range, ids, rlimits, bounding set, capset, securebits,
//           no_new_privs, Landlock, seccomp with the plan's filter; execve
//   parent  read until end of file: the program has been executed. The time ends here.
//
// Made ahead, as pmosd has it: the sealed plan, the root image's mount, the namespace for id maps,
// and with --filter-ahead the loaded device filter, so that nothing is left that pmosd has ahead
// and this has not. Waiting for the end and removing the cgroup are outside the time.
#include "bare.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "worker.h"

namespace pmos::bench {
namespace {

using image::NodeType;

constexpr const char* kCgroup = "bare";

std::vector<char> read_file(const char* path) {
    std::vector<char> bytes;
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    struct stat file {};
    if (fd < 0 || ::fstat(fd, &file) != 0) return bytes;
    bytes.resize(static_cast<std::size_t>(file.st_size));
    if (::read(fd, bytes.data(), bytes.size()) != file.st_size) bytes.clear();
    ::close(fd);
    return bytes;
}

bool write_at(const std::string& path, const std::string& text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const bool written =
        fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (fd >= 0) ::close(fd);
    return written;
}

std::string map_text(std::span<const image::IdMap> maps) {
    std::string text;
    for (const auto& m : maps)
        text += std::to_string(m.inside) + ' ' + std::to_string(m.outside) + ' ' +
                std::to_string(m.count) + '\n';
    return text;
}

bool write_maps(const Bare& bare, pid_t pid) {
    const std::string proc = "/proc/" + std::to_string(pid);
    return write_at(proc + "/uid_map", map_text(bare.table(bare.header().uid_map))) &&
           write_at(proc + "/gid_map", map_text(bare.table(bare.header().gid_map)));
}

pid_t clone_into(std::uint64_t flags, int cgroup, int* pidfd) {
    clone_args args{};
    args.flags = flags;
    args.exit_signal = SIGCHLD;
    if (cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP | CLONE_PIDFD;
        args.cgroup = static_cast<std::uint64_t>(cgroup);
        args.pidfd = reinterpret_cast<std::uint64_t>(pidfd);
    }
    return static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
}

int make_id_ns(const Bare& bare) {
    int hold[2];
    if (::pipe2(hold, O_CLOEXEC) != 0) return -1;
    const pid_t pid = clone_into(CLONE_NEWUSER, -1, nullptr);
    if (pid == 0) {
        char byte = 0;
        ::close(hold[1]);
        ::_exit(::read(hold[0], &byte, 1) == 0 ? 0 : 1);
    }
    int fd = -1;
    if (pid > 0 && write_maps(bare, pid))
        fd = ::open(("/proc/" + std::to_string(pid) + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC);
    ::close(hold[1]);
    ::close(hold[0]);
    if (pid > 0) ::waitpid(pid, nullptr, 0);
    return fd;
}

int make_net_ns(const Bare& bare) {
    if (::unshare(CLONE_NEWNET) != 0) return -1;
    const int fd = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    return ::setns(bare.own_net_ns, CLONE_NEWNET) == 0 ? fd : -1;
}

int load_filter(const Bare& bare) {
    bpf_attr load{};
    static const char kLicense[] = "GPL";
    load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    load.insns = reinterpret_cast<std::uint64_t>(bare.device_filter.data());
    load.insn_cnt = static_cast<std::uint32_t>(bare.device_filter.size() / sizeof(bpf_insn));
    load.license = reinterpret_cast<std::uint64_t>(kLicense);
    return static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load));
}

const char* limit_devices(const Bare& bare, int cgroup) {
    const int program = bare.filter_ahead >= 0 ? bare.filter_ahead : load_filter(bare);
    if (program < 0) return "bpf PROG_LOAD";
    bpf_attr attach{};
    attach.target_fd = static_cast<std::uint32_t>(cgroup);
    attach.attach_bpf_fd = static_cast<std::uint32_t>(program);
    attach.attach_type = BPF_CGROUP_DEVICE;
    attach.attach_flags = BPF_F_ALLOW_MULTI;
    const long attached = ::syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach);
    if (program != bare.filter_ahead) ::close(program);
    return attached != 0 ? "bpf PROG_ATTACH" : nullptr;
}

const char* make_nodes(const Bare& bare) {
    const uid_t root = bare.table(bare.header().uid_map)[0].outside;
    for (const image::DeviceNode& node : bare.table(bare.header().device_nodes)) {
        const char* path = bare.text(node.path);
        if (node.type == NodeType::symlink) {
            if (::symlinkat(bare.text(node.link), bare.dev, path) != 0) return "symlinkat";
            continue;
        }
        const unsigned type = node.type == NodeType::block ? S_IFBLK : S_IFCHR;
        const int made =
            node.type == NodeType::directory
                ? ::mkdirat(bare.dev, path, node.mode)
                : ::mknodat(bare.dev, path, type | node.mode, makedev(node.major, node.minor));
        if (made != 0) return "mknodat";
        if (::fchownat(bare.dev, path, root + node.uid, root + node.gid, 0) != 0) return "fchownat";
    }
    return nullptr;
}

const char* prepare_trees(Bare& bare) {
    const image::MountOp* root = nullptr;
    for (const image::MountOp& op : bare.table(bare.header().mounts)) {
        if (op.kind == image::MountKind::dev) bare.dev = bare_filesystem(bare, "tmpfs", op);
        if (op.kind == image::MountKind::root) root = &op;
    }
    if (bare.dev < 0) return "fsmount of /dev";
    if (const char* what = make_nodes(bare)) return what;
    bare.tree = static_cast<int>(::syscall(SYS_open_tree, bare.root_dir, "",
                                           OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
    mount_attr attr{};
    attr.attr_set = root->attributes | MOUNT_ATTR_IDMAP;
    attr.userns_fd = static_cast<std::uint64_t>(bare.id_ns);
    if (::syscall(SYS_mount_setattr, bare.tree, "", AT_EMPTY_PATH, &attr, sizeof attr) != 0)
        return "mount_setattr idmap";
    return nullptr;
}

const char* enter_namespaces(const Bare& bare) {
    const int entered =
        bare.net_in_turn ? ::unshare(CLONE_NEWNET) : ::setns(bare.net_ns, CLONE_NEWNET);
    if (entered != 0) return "network namespace";
    if (::unshare(CLONE_NEWTIME) != 0) return "unshare time";
    const image::Header& h = bare.header();
    const std::string offsets = "monotonic " + std::to_string(h.monotonic_offset) +
                                " 0\nboottime " + std::to_string(h.boottime_offset) + " 0\n";
    return write_at("/proc/self/timens_offsets", offsets) ? nullptr : "timens_offsets";
}

const char* leave_namespaces(const Bare& bare) {
    if (::setns(bare.own_net_ns, CLONE_NEWNET) != 0) return "setns back";
    return ::setns(bare.own_time_ns, CLONE_NEWTIME) != 0 ? "setns back (time)" : nullptr;
}

[[noreturn]] void be_child(Bare& bare) {
    const char* what = bare_child(bare);
    const std::string text = std::string(what) + ": " + std::strerror(errno);
    static_cast<void>(!::write(3, text.data(), text.size()));
    ::_exit(127);
}

struct Child {
    pid_t pid = -1;
    int pidfd = -1, go = -1, done = -1;
};

const char* launch(Bare& bare, int cgroup, Child& child) {
    if (const char* what = prepare_trees(bare)) return what;
    if (const char* what = enter_namespaces(bare)) return what;
    int go[2], done[2];
    if (::pipe2(go, O_CLOEXEC) != 0 || ::pipe2(done, O_CLOEXEC) != 0) return "pipe2";
    bare.go = go[0];
    bare.done = done[1];
    child.pid = clone_into(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS,
                           cgroup, &child.pidfd);
    if (child.pid == 0) be_child(bare);
    if (child.pid < 0) return "clone3";
    if (const char* what = leave_namespaces(bare)) return what;
    ::close(go[0]);
    ::close(done[1]);
    child.go = go[1];
    child.done = done[0];
    if (!write_maps(bare, child.pid)) return "id maps";
    return ::write(child.go, "!", 1) == 1 ? nullptr : "write";
}

void end_turn(Bare& bare, int cgroup, const Child& child) {
    if (child.pid > 0) {
        ::kill(child.pid, SIGKILL);
        ::waitpid(child.pid, nullptr, 0);
    }
    for (const int fd :
         {child.pidfd, child.go, child.done, bare.tree, bare.dev, bare.net_ns, cgroup})
        if (fd >= 0) ::close(fd);
    bare.tree = bare.dev = bare.net_ns = -1;
    ::unlinkat(bare.cgroup_root, kCgroup, AT_REMOVEDIR);
}

Times take_turn(Bare& bare) {
    if (!bare.net_in_turn) bare.net_ns = make_net_ns(bare);
    Times times;
    Child child;
    const std::int64_t begin = now_ns();
    if (::mkdirat(bare.cgroup_root, kCgroup, 0755) != 0) times.error = "mkdirat of the cgroup";
    const int cgroup = ::openat(bare.cgroup_root, kCgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (times.error == nullptr) times.error = limit_devices(bare, cgroup);
    if (times.error == nullptr) times.error = launch(bare, cgroup, child);
    if (times.error == nullptr) {
        static char text[128];
        const ssize_t size = ::read(child.done, text, sizeof text - 1);
        times.ready = now_ns() - begin;
        if (size != 0) {
            text[size > 0 ? size : 0] = 0;
            times.error = text;
        }
    }
    times.sys_errno = errno;
    end_turn(bare, cgroup, child);
    times.end = now_ns() - begin;
    return times;
}

void fill_strings(Bare& bare) {
    for (const image::Text& t : bare.table(bare.header().args))
        bare.argv.push_back(const_cast<char*>(bare.text(t)));
    for (const image::Text& t : bare.table(bare.header().env))
        bare.envp.push_back(const_cast<char*>(bare.text(t)));
    bare.argv.push_back(nullptr);
    bare.envp.push_back(nullptr);
}

}  // namespace

int bare_filesystem(const Bare& bare, const char* type, const image::MountOp& op) {
    const int context = static_cast<int>(::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
    if (context < 0) return -1;
    for (const image::Option& o : bare.table(op.options)) {
        const bool flag = o.value.size == 0;
        ::syscall(SYS_fsconfig, context, flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING,
                  bare.text(o.key), flag ? nullptr : bare.text(o.value), 0);
    }
    int tree = -1;
    if (::syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0)
        tree = static_cast<int>(::syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, op.attributes));
    ::close(context);
    return tree;
}

}  // namespace pmos::bench

int main(int argc, char** argv) {
    using namespace pmos::bench;
    if (argc < 5) {
        std::fputs(
            "usage: bare PLAN DEVICE-FILTER ROOT-DIR CGROUP-DIR [--net-in-turn | --filter-ahead]\n",
            stderr);
        return 2;
    }
    Bare bare;
    const std::vector<char> plan = read_file(argv[1]);
    if (plan.size() < sizeof(image::Header)) return 2;
    bare.plan = plan.data();
    bare.device_filter = read_file(argv[2]);
    bare.root_dir = ::open(argv[3], O_PATH | O_DIRECTORY | O_CLOEXEC);
    bare.cgroup_root = ::open(argv[4], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bare.own_net_ns = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    bare.own_time_ns = ::open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
    bare.null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    bare.net_in_turn = argc > 5 && std::strcmp(argv[5], "--net-in-turn") == 0;
    if (argc > 5 && std::strcmp(argv[5], "--filter-ahead") == 0) {
        bare.filter_ahead = load_filter(bare);
        if (bare.filter_ahead < 0) return 1;
    }
    bare.id_ns = make_id_ns(bare);
    fill_strings(bare);
    return serve_turns([&bare] { return take_turn(bare); });
}
