// oci: one more program in a container that runs, under the container's own confinement.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <map>

#include "policy/names.h"
#include "runtime/oci/attempt.h"
#include "runtime/oci/console.h"
#include "runtime/oci/container.h"
#include "runtime/oci/filter.h"
#include "runtime/oci/own_file.h"
#include "runtime/oci/rights.h"
#include "runtime/oci/user_namespace.h"

namespace pmos::oci {
namespace {

struct NamespaceFile {
    std::uint64_t type;
    const char* name;
};
constexpr NamespaceFile kNamespaces[] = {
    {CLONE_NEWUSER, "user"}, {CLONE_NEWNS, "mnt"},        {CLONE_NEWPID, "pid"},
    {CLONE_NEWNET, "net"},   {CLONE_NEWIPC, "ipc"},       {CLONE_NEWUTS, "uts"},
    {CLONE_NEWTIME, "time"}, {CLONE_NEWCGROUP, "cgroup"},
};

// Those that are others than ours: into one's own nobody goes again (setns(2) of a user namespace).
std::uint64_t others_of(int pid) {
    std::uint64_t types = 0;
    for (const auto& ns : kNamespaces) {
        struct stat ours {};
        struct stat theirs {};
        const bool known =
            ::stat(fmt::format("/proc/self/ns/{}", ns.name).c_str(), &ours) == 0 &&
            ::stat(fmt::format("/proc/{}/ns/{}", pid, ns.name).c_str(), &theirs) == 0;
        if (known && (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev))
            types |= ns.type;
    }
    return types;
}

// What is not said stays.
Result<policy::oci::User> read_user(const std::string& text, policy::oci::User user) {
    const char* end = text.data() + text.size();
    auto at = std::from_chars(text.data(), end, user.uid);
    if (at.ec == std::errc() && at.ptr != end && *at.ptr == ':')
        at = std::from_chars(at.ptr + 1, end, user.gid);
    if (at.ec == std::errc() && at.ptr == end && !text.empty()) return user;
    return fail(Code::usage, fmt::format("--user {}", text), "it is no UID[:GID]");
}

Result<std::uint64_t> read_capability(const std::string& name) {
    const auto bit = policy::value_of(policy::capability_names(), name);
    if (!bit)
        return fail(Code::usage, fmt::format("--cap {}", name), "there is no such capability");
    return 1ULL << *bit;
}

// What a file leaves out is as the container has it, and privileges are no more than that has.
policy::oci::Process confined_as(const std::optional<policy::oci::Process>& own,
                                 policy::oci::Process process) {
    if (!own) return process;
    if (process.apparmor_profile.empty()) process.apparmor_profile = own->apparmor_profile;
    if (process.rlimits.empty()) process.rlimits = own->rlimits;
    if (!process.oom_score_adj) process.oom_score_adj = own->oom_score_adj;
    process.no_new_privileges = process.no_new_privileges || own->no_new_privileges;
    return process;
}

// What the words say in place of the container's own process.
Result<policy::oci::Process> wanted(const Options& options, const policy::oci::Config& config) {
    if (!options.process.empty()) {
        PMOS_ASSIGN(const auto bytes, read_text(options.process));
        std::vector<policy::Diagnostic> diagnostics;
        auto process = policy::oci::read_process(options.process, bytes, diagnostics);
        if (!process) return refusal("the process is refused", diagnostics);
        return confined_as(config.process, std::move(*process));
    }
    policy::oci::Process process = config.process.value_or(policy::oci::Process());
    process.args = options.words;
    process.terminal = options.tty;
    process.rlimits = config.process ? config.process->rlimits : std::vector<policy::Rlimit>();
    if (!options.cwd.empty()) process.cwd = options.cwd;
    process.env.insert(process.env.end(), options.env.begin(), options.env.end());
    if (!options.user.empty()) {
        PMOS_ASSIGN(process.user, read_user(options.user, std::move(process.user)));
    }
    process.user.additional_gids.insert(process.user.additional_gids.end(),
                                        options.additional_gids.begin(),
                                        options.additional_gids.end());
    for (const auto& name : options.capabilities) {
        PMOS_ASSIGN(const auto bit, read_capability(name));
        auto& c = process.capabilities;
        for (auto* set : {&c.bounding, &c.effective, &c.permitted}) *set |= bit;
    }
    if (!options.apparmor.empty()) process.apparmor_profile = options.apparmor;
    process.no_new_privileges = process.no_new_privileges || options.no_new_privileges;
    return process;
}

// As the container was made by, whatever it is by now.
Result<Source> read_kept(const Options& options) {
    PMOS_ASSIGN(const auto directory, StateDirectory::open(options.root, options.id));
    PMOS_ASSIGN(auto bytes, directory.config());
    PMOS_TRY(leave_own_file_early(options.argv, bytes));
    return read_source("config.json", std::move(bytes), !options.site.empty());
}

Result<> tell(const Options& options, Launched& made) {
    if (made.tty && !options.console_socket.empty()) {
        PMOS_TRY(send_console(options.console_socket, made.tty.borrow()));
        made.tty.reset();
    }
    return write_pid(options.pid_file, made.pid);
}

}  // namespace

Result<Launched> launch_exec(const Options& options) {
    PMOS_ASSIGN(auto source, read_kept(options));
    PMOS_TRY(leave_own_file(options.argv, source.config));
    auto& config = source.config;
    PMOS_ASSIGN(const auto launcher, become_launcher(options.preserve_fds));
    if (!options.detach) hold_signals();
    PMOS_ASSIGN(const auto directory, StateDirectory::open(options.root, options.id));
    PMOS_ASSIGN(const auto record, directory.read());
    const Status status = status_of(directory, record);
    const bool may = status == Status::running || status == Status::created ||
                     (status == Status::paused && options.ignore_paused);
    if (!may)
        return fail(Code::not_running,
                    fmt::format("container '{}' is {}", options.id, status_name(status)));
    PMOS_ASSIGN(const auto process_fd, process_of(record));
    PMOS_ASSIGN(const auto process, wanted(options, config));
    config.process = process;
    std::vector<policy::Diagnostic> diagnostics;
    PMOS_TRY(check_site(options.site, config, diagnostics));
    if (policy::has_errors(diagnostics)) return refusal("the process is refused", diagnostics);
    if (!process.cwd.starts_with('/'))
        return fail(Code::usage, fmt::format("--cwd {}", process.cwd), "it is not absolute");
    if (process.args.empty()) return fail(Code::usage, "there is no program to run");
    if (process.terminal && options.detach && options.console_socket.empty())
        return fail(Code::usage, "--tty with --detach needs --console-socket");

    auto host = look_at_host(record.bundle);
    if (config.seccomp || source.filter) {
        PMOS_ASSIGN(const auto filter, filter_of(source));
        host.seccomp = policy::to_bytes(filter.program);
        host.seccomp_flags = filter.flags;
        if (config.seccomp && asks_listener(*config.seccomp))
            return fail(Code::unsupported, "exec under a filter that asks", "",
                        "leave SCMP_ACT_NOTIFY out of linux/seccomp");
    }
    const auto others = others_of(record.pid);
    PMOS_TRY(take_maps_of(record.pid, config));
    const auto plan = policy::oci::compile_exec(config, process, options.id, host);
    Attempt attempt(plan, launcher);
    attempt.launch.request.verb = launch::Verb::enter;
    UniqueFd cgroup_fd;
    if (record.cgroup.manager != CgroupManager::none) {
        PMOS_ASSIGN(const auto cgroup, ContainerCgroup::open(record.cgroup));
        cgroup_fd = UniqueFd(::dup(cgroup.fd().get()));
        attempt.put(launch::slot_cgroup, cgroup_fd.get());
    }
    const UniqueFd pidfd = UniqueFd(::dup(process_fd.get()));
    attempt.put(launch::slot_pidfd, pidfd.get());
    attempt.parts.unprivileged = ::geteuid() != 0;
    attempt.parts.denies_groups = !may_set_groups((others & CLONE_NEWUSER) != 0 ? record.pid : 0);
    PMOS_TRY(check_groups(plan.process, !attempt.parts.denies_groups));
    attempt.parts.stays = !is_machines_root();
    attempt.parts.is_sibling = options.detach;
    attempt.parts.enter_types = others & ~std::uint64_t{CLONE_NEWPID};
    // What is cloned is in it then; whoever enters it later is not.
    if ((others & CLONE_NEWPID) != 0) attempt.parts.joined[0] = {pidfd.get(), CLONE_NEWPID};
    if (process.terminal) {
        attempt.launch.request.allocate_tty = 1;
        attempt.launch.request.rows = process.console_size.height;
        attempt.launch.request.columns = process.console_size.width;
    }
    if (const auto outcome = launch::begin_container(attempt.launch); outcome.sys_errno != 0)
        return describe(outcome, plan);
    Launched made{
        attempt.launch.pid, UniqueFd(attempt.launch.pidfd), UniqueFd(attempt.launch.tty), {}, {}};
    if (auto told = tell(options, made); !told) {
        attempt.launch.pidfd = made.pidfd.get();
        kill_and_reap(attempt.launch);
        return fail(std::move(told.error()));
    }
    return made;
}

}  // namespace pmos::oci
