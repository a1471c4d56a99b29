// bench: pmos-launch without pmosd: from the request on its socket to its reply, with everything
// made ahead that pmosd makes ahead. Says how much of a start the daemon and the bus are.
//   launch-alone PMOS-LAUNCH PMOS-INIT PLAN IMAGE CGROUP-DIR WORK-DIR
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/plan_image.h"
#include "runtime/launch/client.h"
#include "runtime/launch/prepare.h"
#include "runtime/launch/root_image.h"
#include "runtime/network/net_ns.h"
#include "worker.h"

namespace {

using namespace pmos;
using bench::now_ns;
using bench::Times;
namespace image = policy::image;

constexpr const char* kCgroup = "alone";

struct World {
    launch::LauncherProcess launcher;
    UniqueFd plan, id_ns, cgroup_root, null, status;
    std::optional<launch::RootImage> root;
};

std::vector<policy::IdMap> id_maps(const std::string& plan, image::Table<image::IdMap> table) {
    const auto* maps = reinterpret_cast<const image::IdMap*>(plan.data() + table.offset);
    std::vector<policy::IdMap> out;
    for (std::uint32_t i = 0; i < table.count; ++i)
        out.push_back({maps[i].inside, maps[i].outside, maps[i].count});
    return out;
}

Result<World> make_world(char** args) {
    World world;
    std::ifstream in(args[3], std::ios::binary);
    const std::string plan(std::istreambuf_iterator<char>(in), {});
    if (plan.size() < sizeof(image::Header)) return fail(Code::not_found, "no plan");
    const auto& header = *reinterpret_cast<const image::Header*>(plan.data());
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return fail(errno_error(errno, "cannot make a mount namespace"));
    PMOS_ASSIGN(world.launcher, launch::start_launcher(args[1], args[2]));
    PMOS_ASSIGN(world.plan, launch::seal_plan(std::as_bytes(std::span(plan))));
    PMOS_ASSIGN(world.id_ns, launch::make_id_namespace(id_maps(plan, header.uid_map),
                                                       id_maps(plan, header.gid_map)));
    PMOS_ASSIGN(world.root, launch::RootImage::open(args[4], "erofs", args[6]));
    world.cgroup_root = UniqueFd(::open(args[5], O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    world.null = UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
    world.status = UniqueFd(::open((std::string(args[6]) + "/../alone.status").c_str(),
                                   O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    return world;
}

void end_mode(const launch::LaunchReply& reply) {
    ::kill(reply.reply.pid, SIGKILL);
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(reply.pidfd.get()), &info, WEXITED | __WALL);
}

Result<Times> take_turn(const World& world) {
    PMOS_ASSIGN(const auto net_ns, network::make_net_namespace(false));
    PMOS_ASSIGN(const auto tree, world.root->clone_tree());
    if (::mkdirat(world.cgroup_root.get(), kCgroup, 0755) != 0)
        return fail(errno_error(errno, "cannot make a cgroup"));
    UniqueFd cgroup(::openat(world.cgroup_root.get(), kCgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    launch::LaunchDescriptors fds;
    fds.plan = world.plan.borrow();
    fds.cgroup = cgroup.borrow();
    fds.root_tree = tree.borrow();
    fds.net_ns = net_ns.borrow();
    fds.id_ns = world.id_ns.borrow();
    fds.status = world.status.borrow();
    fds.stdin_fd = fds.stdout_fd = fds.stderr_fd = world.null.borrow();
    Times times;
    const std::int64_t begin = now_ns();
    PMOS_TRY(launch::send_request(world.launcher.socket.borrow(), {}, fds));
    PMOS_ASSIGN(const auto reply, launch::receive_reply(world.launcher.socket.borrow()));
    times.ready = now_ns() - begin;
    if (reply.ok()) end_mode(reply);
    times.end = now_ns() - begin;
    ::unlinkat(world.cgroup_root.get(), kCgroup, AT_REMOVEDIR);
    if (!reply.ok())
        return fail(errno_error(reply.reply.sys_errno, launch::step_name(reply.reply.step)));
    return times;
}

}  // namespace

int main(int, char** argv) {
    for (int i = 1; i <= 6; ++i)
        if (argv[i] == nullptr) return 2;
    const auto world = make_world(argv);
    if (!world) {
        std::fprintf(stderr, "launch-alone: %s\n", world.error().message().c_str());
        return 1;
    }
    static std::string text;
    return bench::serve_turns([&] {
        auto times = take_turn(*world);
        if (times) return *times;
        text = times.error().message();
        return Times{text.c_str(), times.error().sys_errno, 0, 0};
    });
}
