// daemon: what is made before the moment of launch, and how it is let go of.
#include "runtime/daemon/prepared.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "runtime/daemon/device_gate.h"
#include "runtime/daemon/mode_files.h"
#include "runtime/daemon/mode_log.h"
#include "runtime/daemon/policy_source.h"
#include "runtime/daemon/process.h"
#include "runtime/launch/client.h"
#include "runtime/launch/prepare.h"
#include "runtime/network/net_ns.h"

namespace pmos::daemon {

namespace {

Result<launch::RootImage> open_root(const Context& ctx, const Mode& mode) {
    const auto& root = mode.root();
    PMOS_ASSIGN(auto files, launch::RootImage::open_files(root));
    PMOS_TRY(check_pinned(ctx, root, files));
    return launch::RootImage::open(std::move(files), root, ctx.paths.root_place(mode.name),
                                   launch::verified_device_name(mode.name));
}

// What was mounted may be another file than the one that the policy pins by now, or another image
// than the mode is to start from.
void drop_stale_root(const Context& ctx, Mode& mode) {
    auto& root = mode.prepared.root;
    if (!root ||
        (mode.prepared.image == mode.root() && check_pinned(ctx, mode.root(), root->files())))
        return;
    Prepared stale;
    stale.root = std::exchange(root, std::nullopt);
    release_prepared(ctx, std::move(stale), [](Result<>) {});
}

}  // namespace

Result<> settle_prepared(const Context& ctx, Mode& mode) {
    auto& ready = mode.prepared;
    if (!mode.plan || mode.locked) {
        ready = {};
        if (mode.alive()) return {};               // a run that goes on is adopted by its plan
        return remove_plan(ctx.paths, mode.name);  // it names what the mode is made of
    }
    if (mode.alive()) return {};  // nothing to launch; what it has left over it keeps
    const auto& plan = *mode.plan;
    if (!ready.plan) {
        PMOS_TRY(make_log(ctx.paths, mode.name));
        const auto image = policy::encode(plan);
        PMOS_TRY(write_plan(ctx.paths, mode.name, image));
        PMOS_ASSIGN(ready.plan, launch::seal_plan(image));
    }
    if (!ready.id_ns) {
        PMOS_ASSIGN(ready.id_ns, launch::make_id_namespace(plan.uid_map, plan.gid_map));
    }
    if (!ready.net_ns) {
        PMOS_ASSIGN(ready.net_ns,
                    network::make_net_namespace(plan.network.zone != policy::Zone::none));
    }
    if (!ready.filters) {
        PMOS_ASSIGN(ready.filters, ctx.gate.load(plan));
    }
    drop_stale_root(ctx, mode);
    if (!ready.root) {
        auto root = open_root(ctx, mode);
        if (!root) {
            mode.image_fault = true;
            if (!mode.root_at().empty()) root.error().why += " (" + mode.root_at() + ")";
            return fail(std::move(root.error()));
        }
        ready.root = std::move(*root);
        ready.image = mode.root();
        mode.damaged = 0;
    }
    return {};
}

Result<> check_pinned(const Context& ctx, const policy::RootImage& root,
                      const launch::ImageFiles& files) {
    PMOS_TRY(ctx.pinned.check(root.path, files.image.borrow()));
    if (files.tree) PMOS_TRY(ctx.pinned.check(root.tree, files.tree.borrow()));
    return {};
}

namespace {

// The child: keeps the tree and nothing else until the pipe's other end is closed.
[[noreturn]] void hold_until_closed(int tree, int pipe) {
    constexpr int kAbove = 512;  // no descriptor of pmosd is up here
    const int held = ::fcntl(tree, F_DUPFD, kAbove);
    const int closed = ::fcntl(pipe, F_DUPFD, kAbove);
    ::close_range(0, kAbove - 1, 0);
    char byte = 0;
    while (held >= 0 && closed >= 0 && ::read(closed, &byte, 1) < 0 && errno == EINTR) {
    }
    ::_exit(0);
}

struct Release {
    Spawned holder;
    EventSource ended;
    Done done;
};

}  // namespace

void release_prepared(const Context& ctx, Prepared prepared, Done done) {
    int ends[2];
    if (!prepared.root || ::pipe2(ends, O_CLOEXEC) != 0) return done({});
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    auto release = std::make_shared<Release>();
    release->done = std::move(done);
    release->holder.pid = ::fork();
    if (release->holder.pid == 0) {
        ::close(writer.get());
        hold_until_closed(prepared.root->tree().get(), reader.get());
    }
    if (release->holder.pid > 0)
        release->holder.pidfd.reset(
            static_cast<int>(::syscall(SYS_pidfd_open, release->holder.pid, 0)));
    prepared = {};  // not the last to let go: the holder is
    writer.reset();
    if (release->holder.pidfd)
        release->ended =
            ctx.loop.on_io(release->holder.pidfd.borrow(), EPOLLIN, [release](std::uint32_t) {
                static_cast<void>(reap(release->holder.pidfd.borrow()));
                release->ended.reset();
                release->done({});
            });
    if (!release->ended) release->done({});  // without a holder it was done here and now
}

}  // namespace pmos::daemon
