// daemon: programs that were entered into running modes (exec). Never reads what they write.
#include "runtime/daemon/sessions.h"

#include <linux/seccomp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

// The same plan with another process: the confinement cannot differ from the mode's own.
std::shared_ptr<policy::LaunchPlan> plan_for(const policy::LaunchPlan& base,
                                             const ExecRequest& request) {
    auto plan = std::make_shared<policy::LaunchPlan>(base);
    plan->process.args = request.args;
    for (const auto& entry : request.env) {
        const auto name = entry.substr(0, entry.find('=') + 1);
        std::erase_if(plan->process.env, [&](const auto& e) { return e.starts_with(name); });
        plan->process.env.push_back(entry);
    }
    if (!request.cwd.empty()) plan->process.cwd = request.cwd;
    if (request.uid) {
        plan->process.uid = *request.uid;
        plan->process.additional_gids.clear();
    }
    if (request.gid) plan->process.gid = *request.gid;
    if (request.trial) {
        // Room for pmos-try and for no other program: what it has executed is killed as it loads.
        constexpr std::uint64_t kRoom = std::uint64_t{256} << 10U;
        auto& limits = plan->process.rlimits;
        std::erase_if(limits, [](const auto& r) { return r.resource == RLIMIT_AS; });
        limits.push_back({RLIMIT_AS, kRoom, kRoom});
        plan->process.args = {"pmos-try"};
        // What is only tried is nobody's denial, and a question would hide the verdict that a call
        // is judged by: the filter gives at once what the listener would have answered.
        if (!plan->seccomp_answer.empty()) {
            plan->seccomp = std::exchange(plan->seccomp_answer, {});
            plan->seccomp_flags &= ~std::uint32_t{SECCOMP_FILTER_FLAG_NEW_LISTENER};
        }
    }
    return plan;
}

// A terminal of the host would let the mode type into it (TIOCSTI), a directory let it walk out
// (CVE-2024-21626).
Result<> check_stdio(const std::vector<UniqueFd>& stdio) {
    for (const auto& fd : stdio) {
        struct stat status {};
        if (::fstat(fd.get(), &status) != 0)
            return fail(errno_error(errno, "cannot look at a descriptor of stdio"));
        if (S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode) || ::isatty(fd.get()) == 1)
            return fail(Code::usage,
                        "a terminal, directory or block device cannot be stdio of a mode", "",
                        "pass a pipe or socket, or ask for a terminal of the mode's own");
    }
    return {};
}

Result<> check(const Mode& mode, const ExecRequest& request) {
    if (mode.shut()) return mode.locked_error();
    if (mode.state == State::frozen)
        return fail(Code::frozen, "mode '" + mode.name + "' is frozen in the background", "",
                    "bring it to the foreground with: pmosctl switch " + mode.name);
    if (mode.state != State::running || !mode.running)
        return fail(Code::not_running,
                    "mode '" + mode.name + "' is " + std::string(state_name(mode.state)),
                    mode.reason, "start it with: pmosctl start " + mode.name);
    if (!mode.running->plan)
        return fail(Code::busy, "the plan that mode '" + mode.name + "' was started with is gone",
                    "a program entered now would not be confined as the mode is",
                    "restart it with: pmosctl restart " + mode.name);
    if (request.trial && mode.recorded())
        return fail(Code::busy, "mode '" + mode.name + "' is being recorded",
                    "its filter asks instead of refusing: what is tried now says nothing of its "
                    "profile",
                    "end the recording with: pmosctl stop " + mode.name);
    if (request.args.empty() || request.args.front().empty())
        return fail(Code::usage, "no program to execute");
    if (!request.cwd.empty() && request.cwd.front() != '/')
        return fail(Code::usage, "the working directory '" + request.cwd + "' is not absolute");
    for (const auto& entry : request.env)
        if (entry.find('=') == std::string::npos || entry.front() == '=')
            return fail(Code::usage, "'" + entry + "' is not NAME=VALUE");
    if (request.tty) return {};
    if (request.stdio.size() != 3) return fail(Code::usage, "stdio must be three descriptors");
    return check_stdio(request.stdio);
}

}  // namespace

struct Sessions::Asking {
    ExecRequest request;
    std::string owner;
    Answer<ExecStarted> answer;
    bool owner_gone = false;
    // What the launcher is lent until it answers.
    std::shared_ptr<policy::LaunchPlan> plan;
    UniqueFd image, program;
};

// Through the mode's queue: a process must not be born into a cgroup that is being frozen, nor
// into a mode that is being stopped.
void Sessions::exec(Mode& mode, ExecRequest request, std::string owner,
                    Answer<ExecStarted> answer) {
    auto asking = std::make_shared<Asking>();
    asking->request = std::move(request);
    asking->owner = std::move(owner);
    asking->answer = std::move(answer);
    std::erase_if(asking_, [](const auto& a) { return a.expired(); });
    asking_.push_back(asking);
    mode.jobs.add([this, &mode, asking](Done done) { ask(mode, asking, std::move(done)); },
                  [asking](Result<> result) {
                      if (!result) asking->answer(fail(std::move(result.error())));
                  });
}

void Sessions::ask(Mode& mode, std::shared_ptr<Asking> asking, Done job_done) {
    const ExecRequest& request = asking->request;
    if (auto ok = check(mode, request); !ok) return job_done(std::move(ok));
    if (asking->owner_gone) return job_done(fail(Code::cancelled, "the caller has gone"));
    asking->plan = plan_for(*mode.running->plan, request);
    auto image = launch::seal_plan(policy::encode(*asking->plan));
    if (!image) return job_done(fail(std::move(image.error())));
    asking->image = std::move(*image);
    if (request.trial) {
        auto program = launch::seal_program(ctx_.paths.libexec + "/pmos-try");
        if (!program) return job_done(fail(std::move(program.error())));
        asking->program = std::move(*program);
    }

    LaunchJob job;
    job.request.verb = launch::Verb::enter;
    job.request.allocate_tty = request.tty ? 1 : 0;
    job.request.rows = request.rows;
    job.request.columns = request.columns;
    job.descriptors.plan = asking->image.borrow();
    job.descriptors.cgroup = mode.cgroup->fd();
    job.descriptors.pidfd = mode.running->pidfd.borrow();
    job.descriptors.program = asking->program.borrow();
    if (!request.tty) {
        job.descriptors.stdin_fd = request.stdio[0].borrow();
        job.descriptors.stdout_fd = request.stdio[1].borrow();
        job.descriptors.stderr_fd = request.stdio[2].borrow();
    }
    job.plan = asking->plan.get();
    ctx_.launcher.ask(std::move(job), [this, &mode, asking, job_done = std::move(job_done)](
                                          Result<launch::LaunchReply> reply) mutable {
        asking->request.stdio.clear();  // the process has its own by now
        if (!reply) return job_done(fail(std::move(reply.error())));
        const std::uint32_t id = next_id_++;
        Session& session = sessions_[id];
        session.owner = asking->owner;
        session.pidfd = std::move(reply->pidfd);
        started(id);
        Result<> heard;
        if (reply->listener) heard = listen(ctx_, mode, std::move(reply->listener), Whose::entered);
        if (!heard || asking->owner_gone)
            drop(session);
        else
            asking->answer(ExecStarted{id, std::move(reply->tty)});
        job_done(std::move(heard));
    });
}

void Sessions::started(std::uint32_t id) {
    Session& session = sessions_.at(id);
    session.exited =
        ctx_.loop.on_io(session.pidfd.borrow(), EPOLLIN, [this, id](std::uint32_t) { ended(id); });
}

void Sessions::ended(std::uint32_t id) {
    Session& session = sessions_.at(id);
    const auto status = reap(session.pidfd.borrow());
    session.code = status ? exit_code(*status) : 128 + SIGKILL;
    session.exited.reset();
    session.killer.reset();
    if (session.waiter) {
        auto waiter = std::move(session.waiter);
        const int code = *session.code;
        sessions_.erase(id);
        return waiter(code);
    }
    if (session.dropped) sessions_.erase(id);
}

Result<Sessions::Session*> Sessions::find(std::uint32_t id, const std::string& owner) {
    const auto it = sessions_.find(id);
    if (it == sessions_.end() || it->second.owner != owner)
        return fail(Code::not_found, "no exec session " + std::to_string(id) + " of this caller");
    return &it->second;
}

Result<> Sessions::signal(std::uint32_t id, const std::string& owner, int signal) {
    PMOS_ASSIGN(Session * session, find(id, owner));
    if (signal < 1 || signal > SIGRTMAX)
        return fail(Code::usage, "no signal " + std::to_string(signal));
    if (session->code) return {};  // ended a moment ago; the caller will hear of it
    return send_signal(session->pidfd.borrow(), signal);
}

void Sessions::wait(std::uint32_t id, const std::string& owner, Answer<int> answer) {
    auto found = find(id, owner);
    if (!found) return answer(fail(std::move(found.error())));
    Session& session = **found;
    if (session.waiter) return answer(fail(Code::busy, "somebody waits for it already"));
    if (!session.code) {
        session.waiter = std::move(answer);
        return;
    }
    const int code = *session.code;
    sessions_.erase(id);
    answer(code);
}

void Sessions::drop(Session& session) {
    session.waiter = nullptr;
    session.dropped = true;
    static_cast<void>(send_signal(session.pidfd.borrow(), SIGHUP));
    session.killer = ctx_.loop.after(
        1s, [&session] { static_cast<void>(send_signal(session.pidfd.borrow(), SIGKILL)); });
}

void Sessions::drop_owners(const std::function<bool(const std::string&)>& gone) {
    for (const auto& weak : asking_)
        if (const auto asking = weak.lock(); asking && gone(asking->owner))
            asking->owner_gone = true;
    for (auto it = sessions_.begin(); it != sessions_.end();) {
        const auto at = it++;
        if (!gone(at->second.owner) || at->second.dropped) continue;
        if (at->second.code)
            sessions_.erase(at);
        else
            drop(at->second);
    }
}

}  // namespace pmos::daemon
