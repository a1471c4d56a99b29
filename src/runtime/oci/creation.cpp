// oci: `create` and `run`: a bundle's launch, by pmos-launch's own steps in this process.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "policy/plan_image.h"
#include "runtime/launch/container.h"
#include "runtime/launch/prepare.h"
#include "runtime/oci/attempt.h"
#include "runtime/oci/console.h"
#include "runtime/oci/container.h"
#include "runtime/oci/filter.h"
#include "runtime/oci/hooks.h"
#include "runtime/oci/listener.h"
#include "runtime/oci/own_file.h"
#include "runtime/oci/rights.h"
#include "runtime/oci/user_namespace.h"
#include "runtime/sys/mount.h"
#include "runtime/sys/process.h"

namespace pmos::oci {
namespace {

using policy::oci::HookPoint;

std::string now() {
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME, &time);
    tm parts{};
    ::gmtime_r(&time.tv_sec, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    return fmt::format("{}.{:09}Z", text, time.tv_nsec);
}

Result<UniqueFd> open_root(const std::string& path) {
    const UniqueFd place(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!place)
        return fail(errno_error(errno, fmt::format("cannot open the root '{}'", path),
                                "root/path of the configuration names a directory"));
    const int tree = sys::sys_open_tree(
        place.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
    if (tree < 0) return fail(errno_error(-tree, fmt::format("cannot take the root '{}'", path)));
    return UniqueFd(tree);
}

// Of the namespace that is ours, which is the machine's.
Result<> leaves_machine_alone(const policy::oci::Config& config, const policy::oci::Namespace& ns,
                              const UniqueFd& fd) {
    const char* own = ns.type == CLONE_NEWNET   ? "/proc/self/ns/net"
                      : ns.type == CLONE_NEWIPC ? "/proc/self/ns/ipc"
                      : ns.type == CLONE_NEWUTS ? "/proc/self/ns/uts"
                                                : nullptr;
    struct stat ours {};
    struct stat theirs {};
    if (own == nullptr || ::stat(own, &ours) != 0 || ::fstat(fd.get(), &theirs) != 0 ||
        ours.st_ino != theirs.st_ino)
        return {};
    const bool names = ns.type == CLONE_NEWUTS && !(config.hostname + config.domainname).empty();
    if (!names && config.sysctl.empty()) return {};
    return fail(Code::usage, fmt::format("'{}' is this machine's own", ns.path),
                ns.at.pointer + ": a sysctl or a host name would be set for the machine",
                "leave them out, or give the container a namespace of its own");
}

Result<std::vector<UniqueFd>> open_joined(const policy::oci::Config& config, Attempt& attempt) {
    std::vector<UniqueFd> fds;
    for (const auto& ns : config.namespaces) {
        if (ns.path.empty() || ns.type == CLONE_NEWUSER) continue;
        UniqueFd fd(::open(ns.path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!fd) return fail(errno_error(errno, fmt::format("cannot open '{}'", ns.path)));
        if (::ioctl(fd.get(), NS_GET_NSTYPE) != static_cast<int>(ns.type))
            return fail(Code::usage, fmt::format("'{}' is no namespace of that type", ns.path),
                        ns.at.pointer);
        PMOS_TRY(leaves_machine_alone(config, ns, fd));
        fds.push_back(std::move(fd));
        attempt.parts.joined[fds.size() - 1] = {fds.back().get(),
                                                static_cast<std::uint32_t>(ns.type)};
    }
    return fds;
}

Result<UniqueFd> empty_file() {
    UniqueFd fd(::memfd_create("state", MFD_CLOEXEC));
    if (!fd) return fail(errno_error(errno, "cannot hand hooks the state"));
    return fd;
}

void fill(const UniqueFd& file, const std::string& text) {
    if (file) static_cast<void>(!::pwrite(file.get(), text.data(), text.size(), 0));
}

// One `create` or `run` on its way.
class Creation {
  public:
    Creation(const Options& options, OwnLauncher launcher, Bundle bundle, StateDirectory directory,
             bool waits)
        : options_(options),
          launcher_(std::move(launcher)),
          bundle_(std::move(bundle)),
          directory_(std::move(directory)),
          waits_(waits) {}

    Result<Launched> run() {
        auto launched = launch();
        if (launched) return launched;
        if (attempt_) kill_and_reap(attempt_->launch);
        if (cgroup_)
            if (auto undone = cgroup_->undo(); !undone)
                launched.error().undo_failures.push_back(std::move(undone.error()));
        if (auto removed = directory_.remove(); !removed)
            launched.error().undo_failures.push_back(std::move(removed.error()));
        // What its first hooks have set up their last ones take down.
        if (hooked_)
            for (auto& fault : run_all_hooks(bundle_.source.config.hooks, HookPoint::poststop,
                                             state_json(*hooked_, Status::stopped)))
                launched.error().undo_failures.push_back(std::move(fault));
        return launched;
    }

  private:
    Result<Launched> launch() {
        PMOS_TRY(compile());
        attempt_.emplace(plan_, launcher_);
        PMOS_TRY(fill_parts());
        PMOS_TRY(directory_.keep_config(bundle_.source.bytes));
        PMOS_TRY(place());
        auto& launch = attempt_->launch;
        if (const auto outcome = launch::begin_container(launch); outcome.sys_errno != 0) {
            launch.pidfd = -1;  // it was reaped
            if (outcome.step == launch::Step::place_child && !placed_)
                return fail(std::move(placed_.error()));
            return describe(outcome, plan_);
        }
        if (attempt_->parts.pauses) PMOS_TRY(runtime_hooks());
        PMOS_TRY(hand_over_listener());
        Launched made{launch.pid, UniqueFd(launch.pidfd), UniqueFd(launch.tty), {}, {}};
        launch.pidfd = launch.tty = -1;
        auto settled = settle(made);
        if (settled) return made;
        launch.pidfd = made.pidfd.release();
        return fail(std::move(settled.error()));
    }

    Result<> compile() {
        host_ = look_at_host(bundle_.directory);
        if (!host_.unprivileged) {
            PMOS_ASSIGN(auto joined, join_user_namespace(bundle_.source.config));
            user_ns_ = std::move(joined);
        }
        PMOS_TRY(filter());
        std::vector<policy::Diagnostic> diagnostics;
        PMOS_TRY(check_site(options_.site, bundle_.source.config, diagnostics));
        auto plan = policy::oci::compile(bundle_.source.config, options_.id, host_, diagnostics);
        if (!plan && !bundle_.source.whole) {
            PMOS_TRY(read_whole(bundle_.source));
            diagnostics.clear();
            plan = policy::oci::compile(bundle_.source.config, options_.id, host_, diagnostics);
        }
        if (!plan) return refusal("the configuration is refused", diagnostics);
        plan_ = std::move(*plan);
        PMOS_TRY(check_groups(plan_.process,
                              may_set_groups() && !(user_ns_ && user_ns_->denies_groups)));
        const bool terminal = bundle_.source.config.process->terminal;
        if (!terminal && !options_.console_socket.empty())
            return fail(Code::usage, "--console-socket without process/terminal");
        if (terminal && (waits_ || options_.detach) && options_.console_socket.empty())
            return fail(Code::usage, "process/terminal without --console-socket");
        return {};
    }

    // Ready bytes, where they were made before.
    Result<> filter() {
        const auto& seccomp = bundle_.source.config.seccomp;
        if (!seccomp && !bundle_.source.filter) return {};
        PMOS_ASSIGN(const auto filter, filter_of(bundle_.source));
        host_.seccomp = policy::to_bytes(filter.program);
        host_.seccomp_flags = filter.flags;
        if (!seccomp || !asks_listener(*seccomp)) return {};
        PMOS_ASSIGN(auto agent, connect_listener(seccomp->listener_path));
        agent_ = std::move(agent);
        return {};
    }

    Result<> hand_over_listener() {
        auto& launch = attempt_->launch;
        const UniqueFd listener(std::exchange(launch.listener, -1));
        if (!listener || !agent_) return {};
        const std::string state = state_json(record(launch.pid), Status::creating);
        return send_process_state(
            agent_.borrow(), listener.borrow(),
            {launch.pid, bundle_.source.config.seccomp->listener_metadata, state});
    }

    CgroupRequest cgroup_request() const {
        CgroupRequest request;
        request.id = options_.id;
        request.cgroups_path = bundle_.source.config.cgroups_path;
        request.manager =
            options_.systemd_cgroup ? CgroupManager::systemd : CgroupManager::cgroupfs;
        request.rootless = host_.unprivileged;
        request.resources = bundle_.source.config.resources;
        const auto& caps = bundle_.source.config.process->capabilities;
        request.makes_no_device = bundle_.source.config.has(CLONE_NEWUSER) || host_.unprivileged ||
                                  (caps.bounding >> CAP_MKNOD & 1U) == 0;
        // Who says nothing of devices is given those that everybody has.
        if (request.resources.devices.empty() && !request.makes_no_device)
            request.resources.devices.push_back({false, 'a', {}, {}, true, true, true});
        request.helper = kSystemdHelper;
        return request;
    }

    // Before it is born; systemd takes only what has a number.
    Result<> place() {
        auto& parts = attempt_->parts;
        parts.caller = this;
        if (options_.systemd_cgroup) {
            parts.on_clone = [](void* self, int pid) {
                return static_cast<Creation*>(self)->place_by_number(pid);
            };
            return {};
        }
        PMOS_ASSIGN(auto made, ContainerCgroup::create(cgroup_request()));
        cgroup_ = std::move(made);
        if (!*cgroup_) return {};
        if (cgroup_->is_new()) {
            cgroup_fd_ = UniqueFd(::dup(cgroup_->fd().get()));
            attempt_->put(launch::slot_cgroup, cgroup_fd_.get());
        } else {
            parts.on_clone = [](void* self, int pid) {
                auto& creation = *static_cast<Creation*>(self);
                creation.placed_ = creation.cgroup_->attach(pid);
                return creation.placed_ ? 0 : -ECANCELED;
            };
        }
        return {};
    }

    int place_by_number(int pid) {
        CgroupRequest request = cgroup_request();
        request.pid = pid;
        auto made = ContainerCgroup::create(request);
        if (made) {
            cgroup_ = std::move(*made);
            return 0;
        }
        placed_ = fail(std::move(made.error()));
        return -ECANCELED;
    }

    Result<> fill_parts() {
        auto& parts = attempt_->parts;
        auto& config = bundle_.source.config;
        root_path_ = bundle_.root();
        parts.unprivileged = ::geteuid() != 0;
        parts.denies_groups = !may_set_groups() || (user_ns_ && user_ns_->denies_groups);
        parts.stays = !is_machines_root();
        parts.umask = ::umask(0);
        ::umask(parts.umask);
        parts.root = root_path_.c_str();
        parts.is_sibling = waits_;
        if (!parts.unprivileged) {
            PMOS_ASSIGN(root_, open_root(root_path_));
            attempt_->put(launch::slot_root_tree, root_.get());
        }
        PMOS_ASSIGN(joined_, open_joined(config, *attempt_));
        if (user_ns_) {
            parts.user_ns = user_ns_->ns.get();
            parts.clone = clone_in_user_namespace;
        }
        if (parts.stays) PMOS_TRY(may_stay());
        PMOS_TRY(make_id_spaces());
        if (waits_) {
            PMOS_ASSIGN(auto fifos, directory_.make_fifos());
            fifos_ = {std::move(fifos.start), std::move(fifos.result)};
            parts.start_fifo = fifos_.start.get();
            parts.result_fifo = fifos_.result.get();
        }
        parts.pauses = std::ranges::any_of(
            config.hooks, [](const auto& hook) { return hook.point < HookPoint::poststart; });
        if (parts.pauses) {
            PMOS_ASSIGN(state_, empty_file());
            PMOS_ASSIGN(state_at_start_, empty_file());
            parts.state = state_.get();
            parts.state_at_start = state_at_start_.get();
        }
        if (config.process->terminal) {
            attempt_->launch.request.allocate_tty = 1;
            attempt_->launch.request.rows = config.process->console_size.height;
            attempt_->launch.request.columns = config.process->console_size.width;
        }
        return {};
    }

    // Of what it joins it stays a part: what it begins there is a part of it, too.
    Result<> may_stay() const {
        const auto& config = bundle_.source.config;
        const auto joins = [&](const auto& ns) {
            return !ns.path.empty() || ns.type == CLONE_NEWTIME;
        };
        if (std::ranges::none_of(config.namespaces, joins)) return {};
        const bool hooks = std::ranges::any_of(config.hooks, [](const auto& hook) {
            return hook.point != HookPoint::create_container &&
                   hook.point != HookPoint::start_container;
        });
        if (hooks)
            return fail(Code::unsupported, "hooks outside cannot be run",
                        "who is not root of the machine has no way back from a namespace that is "
                        "joined",
                        "leave the hooks out, or the namespace's path");
        const auto joins_pid = [](const auto& ns) {
            return ns.type == CLONE_NEWPID && !ns.path.empty();
        };
        if (options_.systemd_cgroup && std::ranges::any_of(config.namespaces, joins_pid))
            return fail(Code::unsupported, "systemd cannot be asked from a joined pid namespace",
                        "who is not root of the machine has no way back from it",
                        "leave out --systemd-cgroup, or the namespace's path");
        return {};
    }

    Result<> make_id_spaces() {
        for (const auto& op : plan_.mounts) {
            if (!op.idmapped) continue;
            auto made = launch::make_id_namespace(op.uid_map, op.gid_map);
            if (!made) {
                made.error().why += fmt::format(" (the id mappings of '{}')", op.target);
                return fail(std::move(made.error()));
            }
            id_space_fds_.push_back(made->get());
            id_spaces_.push_back(std::move(*made));
        }
        attempt_->parts.id_spaces = id_space_fds_.data();
        attempt_->parts.id_space_count = static_cast<unsigned>(id_space_fds_.size());
        return {};
    }

    Record record(int pid) const {
        Record made;
        made.id = options_.id;
        made.bundle = bundle_.directory;
        made.rootfs = root_path_;
        made.created = now();
        made.pid = pid;
        made.start_time = start_time_of(pid).value_or(0);
        made.owner = ::getuid();
        if (cgroup_) made.cgroup = cgroup_->record();
        made.annotations = bundle_.source.config.annotations;
        return made;
    }

    Result<> runtime_hooks() {
        auto& launch = attempt_->launch;
        hooked_ = record(launch.pid);
        const std::string state = state_json(*hooked_, Status::creating);
        // Inside, its number is another.
        Record inside = *hooked_;
        if (makes_pid_namespace()) inside.pid = 1;
        fill(state_, state_json(inside, Status::creating));
        fill(state_at_start_, state_json(inside, Status::created));
        for (const auto point : {HookPoint::prestart, HookPoint::create_runtime})
            PMOS_TRY(run_hooks(bundle_.source.config.hooks, point, state));
        if (const auto outcome = launch::finish_container(launch); outcome.sys_errno != 0) {
            launch.pidfd = -1;  // it was reaped
            return describe(outcome, plan_);
        }
        return {};
    }

    bool makes_pid_namespace() const {
        const auto& all = bundle_.source.config.namespaces;
        const auto it =
            std::ranges::find(all, std::uint64_t{CLONE_NEWPID}, &policy::oci::Namespace::type);
        return it != all.end() && it->path.empty();
    }

    // Known to whoever asks, once it is what they are told.
    Result<> settle(Launched& made) {
        const Record kept = record(made.pid);
        PMOS_TRY(directory_.write(kept));
        if (cgroup_) made.statements = cgroup_->statements();
        if (made.tty && !options_.console_socket.empty()) {
            PMOS_TRY(send_console(options_.console_socket, made.tty.borrow()));
            made.tty.reset();
        }
        PMOS_TRY(write_pid(options_.pid_file, made.pid));
        if (waits_) return {};
        made.warnings = run_all_hooks(bundle_.source.config.hooks, HookPoint::poststart,
                                      state_json(kept, Status::running));
        return {};
    }

    const Options& options_;
    OwnLauncher launcher_;
    Bundle bundle_;
    StateDirectory directory_;
    bool waits_;
    policy::LaunchPlan plan_;
    std::optional<Attempt> attempt_;
    std::string root_path_;
    UniqueFd root_, state_, state_at_start_, agent_, cgroup_fd_;
    policy::oci::HostSide host_;
    std::optional<ContainerCgroup> cgroup_;
    Result<> placed_;
    std::optional<Record> hooked_;
    std::vector<UniqueFd> joined_, id_spaces_;
    std::optional<JoinedUser> user_ns_;
    std::vector<int> id_space_fds_;
    StateDirectory::Fifos fifos_;
};

}  // namespace

Result<Launched> launch_container(const Options& options, bool waits) {
    PMOS_TRY(check_id(options.id));
    PMOS_ASSIGN(auto bundle, open_bundle(options.bundle, options.config));
    PMOS_TRY(leave_own_file_early(options.argv, bundle.source.bytes));
    PMOS_ASSIGN(bundle.source, read_source(std::move(bundle.source.file),
                                           std::move(bundle.source.bytes), !options.site.empty()));
    PMOS_TRY(leave_own_file(options.argv, bundle.source.config));
    PMOS_ASSIGN(auto launcher, become_launcher(options.preserve_fds));
    if (!waits && !options.detach) hold_signals();
    PMOS_ASSIGN(auto directory, StateDirectory::create(options.root, options.id));
    return Creation(options, std::move(launcher), std::move(bundle), std::move(directory), waits)
        .run();
}

}  // namespace pmos::oci
