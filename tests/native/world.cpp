// native tests: see world.h. Talks to the launcher only as pmosd does.
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "runtime/launch/prepare.h"
#include "runtime/network/net_ns.h"
#include "runtime/sys/process.h"

namespace pmos::test {
namespace {

namespace fs = std::filesystem;
using policy::image::MountKind;
using policy::image::NodeType;

constexpr std::uint64_t kRdonly = 1, kNosuid = 2, kNodev = 4, kNoexec = 8;  // MOUNT_ATTR_*

void check(bool good, const std::string& what) {
    if (!good) throw std::runtime_error(what + ": " + std::strerror(errno));
}

policy::DeviceNode node(const char* path, unsigned major, unsigned minor) {
    policy::DeviceNode n;
    n.path = path;
    n.type = NodeType::character;
    n.major = major;
    n.minor = minor;
    n.mode = 0666;
    return n;
}

policy::DeviceNode link(const char* path, const char* target) {
    policy::DeviceNode n;
    n.path = path;
    n.type = NodeType::symlink;
    n.link = target;
    return n;
}

policy::MountOp mount_op(MountKind kind, const char* source, const char* target,
                         std::uint64_t attributes,
                         std::vector<std::pair<std::string, std::string>> options = {}) {
    policy::MountOp op;
    op.kind = kind;
    op.source = source;
    op.target = target;
    op.attributes = attributes;
    op.options = std::move(options);
    return op;
}

std::vector<policy::MountOp> base_mounts() {
    const std::uint64_t strict = kNosuid | kNodev | kNoexec;
    std::vector<policy::MountOp> ops{
        mount_op(MountKind::root, "", "/", kRdonly | kNosuid | kNodev),
        mount_op(MountKind::dev, "tmpfs", "/dev", kNosuid | kNoexec,
                 {{"size", "64k"}, {"nr_inodes", "64"}}),
        mount_op(MountKind::filesystem, "devpts", "/dev/pts", kNosuid | kNoexec,
                 {{"ptmxmode", "0666"}, {"mode", "0620"}}),
        mount_op(MountKind::filesystem, "mqueue", "/dev/mqueue", strict),
        mount_op(MountKind::filesystem, "tmpfs", "/dev/shm", strict, {{"size", "1m"}}),
        mount_op(MountKind::filesystem, "proc", "/proc", strict),
        mount_op(MountKind::filesystem, "tmpfs", "/tmp", strict, {{"size", "1m"}}),
        mount_op(MountKind::mask, "", "/proc/kcore", 0),
        mount_op(MountKind::mask, "", "/proc/acpi", 0),
        mount_op(MountKind::mask, "", "/proc/scsi", 0),
        mount_op(MountKind::mask, "", "/proc/tty", 0),
        mount_op(MountKind::mask, "", "/proc/version", 0),
        mount_op(MountKind::mask, "", "/proc/not-in-any-kernel", 0),
        mount_op(MountKind::read_only, "", "/proc/sys", 0),
        mount_op(MountKind::read_only, "", "/proc/sysrq-trigger", 0),
    };
    ops[0].idmapped = true;
    return ops;
}

void run(const std::string& command) {
    check(std::system(command.c_str()) == 0, "'" + command + "' failed");
}

void make_root(const std::string& root, const World::Prepare& prepare) {
    for (const char* dir :
         {"", "/bin", "/dev", "/proc", "/sys", "/tmp", "/data", "/mnt", "/etc", "/run", "/usr"})
        fs::create_directory(root + dir);
    fs::copy_file(paths().probe, root + "/bin/probe");
    if (prepare) prepare(root);
}

}  // namespace

Paths& paths() {
    static Paths the_paths;
    return the_paths;
}

std::string enter_private_mounts() {
    if (geteuid() != 0) return "needs root: user and mount namespaces with real devices";
    if (unshare(CLONE_NEWNS) < 0) return std::string("no mount namespace: ") + strerror(errno);
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0)
        return std::string("mounts cannot be made private: ") + strerror(errno);
    return "";
}

policy::LaunchPlan base_plan() {
    policy::LaunchPlan plan;
    plan.mode = "probe";
    plan.hostname = "probe-host";
    plan.uid_map = plan.gid_map = {{0, 300000, 65536}};
    plan.namespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
                      CLONE_NEWCGROUP | CLONE_NEWNET | CLONE_NEWTIME;
    plan.monotonic_offset = 5000;
    plan.boottime_offset = 7000;
    plan.mounts = base_mounts();
    plan.device_nodes = {node("null", 1, 3),          node("zero", 1, 5),      node("full", 1, 7),
                         node("random", 1, 8),        node("urandom", 1, 9),   node("tty", 5, 0),
                         link("fd", "/proc/self/fd"), link("ptmx", "pts/ptmx")};
    plan.process.args = {"probe"};
    plan.process.env = {"PATH=/nowhere:/bin", "HOME=/", "container=pmos"};
    plan.process.cwd = "/";
    plan.process.umask = 0027;
    plan.process.rlimits = {{RLIMIT_NOFILE, 512, 1024}, {RLIMIT_CORE, 0, 0}};
    plan.seccomp = {0x06, 0, 0, 0, 0, 0, 0xff, 0x7f};  // return SECCOMP_RET_ALLOW
    return plan;
}

World::World(const Prepare& prepare) {
    char name[] = "/tmp/pmos-native-XXXXXX";
    check(::mkdtemp(name) != nullptr, "cannot make a directory");
    dir_ = name;
    check(::mount("tmpfs", name, "tmpfs", 0, "mode=0755") == 0, "cannot mount tmpfs");
    make_root(dir_ + "/root", prepare);
    run("mkfs.erofs -x-1 " + dir_ + "/root.erofs " + dir_ + "/root >/dev/null 2>&1");
    image_.emplace(must(launch::RootImage::open(dir_ + "/root.erofs", "erofs", dir_ + "/image")));

    const std::string top = dir_ + "/cgroup";
    fs::create_directory(top);
    check(::mount("cgroup2", top.c_str(), "cgroup2", 0, nullptr) == 0, "cannot mount cgroup2");
    cgroup_ = top + "/pmos-native-" + std::to_string(getpid());
    check(::mkdir(cgroup_.c_str(), 0755) == 0, "cannot make a cgroup");
    cgroup_fd_ = UniqueFd(::open(cgroup_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    const policy::LaunchPlan plan = base_plan();
    id_ns_ = must(launch::make_id_namespace(plan.uid_map, plan.gid_map));
    net_ns_ = must(network::make_net_namespace(true));
    launcher_ = must(launch::start_launcher(paths().launcher.c_str(), paths().init.c_str()));
}

World::~World() {
    std::ofstream(cgroup_file("cgroup.kill")) << "1";
    launcher_.socket.reset();
    wait_for(launcher_.pidfd.borrow());
    while (::waitpid(-1, nullptr, __WALL) > 0) {
    }
    image_.reset();
    cgroup_fd_.reset();
    ::rmdir(cgroup_.c_str());
    ::umount2((dir_ + "/cgroup").c_str(), MNT_DETACH);
    ::umount2(dir_.c_str(), MNT_DETACH);
    ::rmdir(dir_.c_str());
}

void World::use_id_maps(const policy::LaunchPlan& plan) {
    id_ns_ = must(launch::make_id_namespace(plan.uid_map, plan.gid_map));
}

launch::LaunchReply World::ask(const launch::Request& request,
                               const launch::LaunchDescriptors& fds) {
    must(launch::send_request(launcher_.socket.borrow(), request, fds));
    return must(launch::receive_reply(launcher_.socket.borrow()));
}

Running World::start(const policy::LaunchPlan& plan, launch::Request request) {
    Running running;
    int status[2], output[2];
    check(::pipe2(status, O_CLOEXEC) == 0 && ::pipe2(output, O_CLOEXEC) == 0, "cannot pipe");
    running.status = UniqueFd(status[0]);
    running.output = UniqueFd(output[0]);
    const UniqueFd status_end(status[1]), output_end(output[1]);
    const UniqueFd sealed = must(launch::seal_plan(policy::encode(plan)));
    const UniqueFd tree = must(image_->clone_tree());
    launch::LaunchDescriptors fds;
    fds.plan = sealed.borrow();
    fds.cgroup = cgroup_fd_.borrow();
    fds.root_tree = tree.borrow();
    if ((plan.namespaces & CLONE_NEWNET) != 0) fds.net_ns = net_ns_.borrow();
    fds.id_ns = id_ns_.borrow();
    fds.status = status_end.borrow();
    fds.stdout_fd = output_end.borrow();
    fds.stderr_fd = output_end.borrow();
    request.verb = launch::Verb::start;
    running.reply = ask(request, fds);
    return running;
}

Running World::enter(const policy::LaunchPlan& plan, const Running& mode, launch::Request request) {
    Running running;
    int output[2];
    check(::pipe2(output, O_CLOEXEC) == 0, "cannot pipe");
    running.output = UniqueFd(output[0]);
    const UniqueFd output_end(output[1]);
    const UniqueFd sealed = must(launch::seal_plan(policy::encode(plan)));
    launch::LaunchDescriptors fds;
    fds.plan = sealed.borrow();
    fds.cgroup = cgroup_fd_.borrow();
    fds.pidfd = mode.reply.pidfd.borrow();
    if (request.allocate_tty == 0) {
        fds.stdout_fd = output_end.borrow();
        fds.stderr_fd = output_end.borrow();
    }
    request.verb = launch::Verb::enter;
    running.reply = ask(request, fds);
    return running;
}

launch::LaunchReply World::change_devices(const policy::LaunchPlan& plan, const Running& mode,
                                          launch::Request request) {
    const UniqueFd sealed = must(launch::seal_plan(policy::encode(plan)));
    launch::LaunchDescriptors fds;
    fds.plan = sealed.borrow();
    fds.pidfd = mode.reply.pidfd.borrow();
    request.verb = launch::Verb::devices;
    return ask(request, fds);
}

nlohmann::json World::report(const policy::LaunchPlan& plan) {
    Running running = start(plan);
    if (!running.reply.ok())
        throw std::runtime_error(launch::describe(running.reply.reply, plan).message());
    const std::string text = read_all(running.output.borrow());
    wait_for(running.reply.pidfd.borrow());
    return nlohmann::json::parse(text);
}

// It answers first and closes what is left of the request then: done is when it waits for another.
void World::wait_for_idle_launcher() const {
    const std::string file = "/proc/" + std::to_string(launcher_.pid) + "/syscall";
    for (int tries = 0; tries < 500; ++tries) {
        if (read_text(file).starts_with(std::to_string(SYS_recvmsg) + " ")) return;
        ::usleep(10000);
    }
    throw std::runtime_error("the launcher does not come to rest");
}

std::set<std::string> World::launcher_fds() const {
    wait_for_idle_launcher();
    std::set<std::string> fds;
    const std::string dir = "/proc/" + std::to_string(launcher_.pid) + "/fd";
    for (const auto& entry : fs::directory_iterator(dir)) fds.insert(entry.path().filename());
    return fds;
}

std::string read_all(BorrowedFd fd) {
    std::string text;
    char chunk[4096];
    for (;;) {
        const ssize_t size = ::read(fd.get(), chunk, sizeof chunk);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return text;  // EIO: the other side of a pty is closed
        text.append(chunk, static_cast<std::size_t>(size));
    }
}

std::string read_line(BorrowedFd fd) {
    std::string text;
    for (char c = 0; ::read(fd.get(), &c, 1) == 1 && c != '\n';) text += c;
    return text;
}

int wait_for(BorrowedFd pidfd) {
    siginfo_t info{};
    check(::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED | __WALL) == 0,
          "cannot wait");
    return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

void stop(const Running& mode) {
    check(sys::sys_pidfd_send_signal(mode.reply.pidfd.get(), SIGTERM) == 0, "cannot end the mode");
    check(wait_for(mode.reply.pidfd.borrow()) == 128 + SIGTERM, "it did not end by SIGTERM");
}

std::string command_output(const std::string& command) {
    FILE* pipe = ::popen(command.c_str(), "r");
    check(pipe != nullptr, "cannot run '" + command + "'");
    char line[256]{};
    const bool read = ::fgets(line, sizeof line, pipe) != nullptr;
    check(::pclose(pipe) == 0 && read, "'" + command + "' failed");
    std::string text = line;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

LoopVolume::LoopVolume(const std::string& file, bool parts) {
    const std::string tree = file + ".tree";
    run("mkdir -p " + tree +
        (parts ? " && mkdir -p -m 755 " + tree + "/mode " + tree + "/private" : "") +
        " && truncate -s 8M " + file + " && mke2fs -q -t ext4 -d " + tree + " " + file);
    device_ = command_output("losetup --find --show " + file);
}

LoopVolume::~LoopVolume() {
    // Where a mode still unmounts it the kernel detaches it with its last user.
    const bool detached = std::system(("losetup -d " + device_).c_str()) == 0;
    if (!detached) std::fprintf(stderr, "cannot detach %s\n", device_.c_str());
}

std::string read_text(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

void write_text(const std::string& path, const std::string& text) {
    std::ofstream out(path);
    out << text;
    out.flush();
    check(out.good(), "cannot write '" + path + "'");
}

}  // namespace pmos::test
