// event: starting and reaping the helper processes. Never waits for one.
#include "runtime/event/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <utility>

#include "runtime/sys/process.h"

namespace pmos::event {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (const auto& t : texts) out.push_back(const_cast<char*>(t.c_str()));
    out.push_back(nullptr);
    return out;
}

// Descriptors are first copied above all targets, so that no dup2 overwrites one still needed.
Result<std::vector<UniqueFd>> lift(const std::vector<BorrowedFd>& descriptors) {
    std::vector<UniqueFd> lifted;
    const int floor = static_cast<int>(descriptors.size()) + 3;
    for (const auto& fd : descriptors) {
        if (!fd) {
            lifted.emplace_back();
            continue;
        }
        lifted.emplace_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, floor));
        if (!lifted.back()) return fail(errno_error(errno, "cannot duplicate a descriptor"));
    }
    return lifted;
}

}  // namespace

Result<Spawned> spawn(const SpawnRequest& request) {
    PMOS_ASSIGN(const auto lifted, lift(request.descriptors));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < static_cast<int>(std::max<std::size_t>(lifted.size(), 3)); ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (at < lifted.size() && lifted[at])
            posix_spawn_file_actions_adddup2(&actions, lifted[at].get(), i);
        else if (i < 3)
            posix_spawn_file_actions_addopen(&actions, i, "/dev/null", O_RDWR, 0);
    }
    // Also what we ourselves inherited without O_CLOEXEC.
    posix_spawn_file_actions_addclosefrom_np(
        &actions, static_cast<int>(std::max<std::size_t>(lifted.size(), 3)));
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              (request.own_group ? POSIX_SPAWN_SETPGROUP : 0));

    std::vector<std::string> args{request.name.empty() ? request.path : request.name};
    args.insert(args.end(), request.args.begin(), request.args.end());
    auto argv = pointers(args);
    auto envp = pointers(request.env);
    Spawned child;
    const int err = ::posix_spawn(&child.pid, request.path.c_str(), &actions, &attributes,
                                  argv.data(), envp.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (err != 0) return fail(errno_error(err, "cannot start '" + args.front() + "'"));
    child.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
    if (!child.pidfd) {
        const int open_errno = errno;
        ::kill(child.pid, SIGKILL);
        ::waitpid(child.pid, nullptr, 0);
        return fail(errno_error(open_errno, "cannot watch '" + args.front() + "'"));
    }
    return child;
}

Result<int> reap(BorrowedFd pidfd) {
    int status = 0;
    const int r = sys::sys_reap(pidfd.get(), &status);
    if (r == 0) return status;
    if (r == -ECHILD) return fail(Code::not_found, "not our child");
    if (r == -EAGAIN) return fail(Code::busy, "the process is still there");
    return fail(errno_error(-r, "cannot reap a process"));
}

int exit_code(int wait_status) noexcept {
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

bool is_readable(BorrowedFd fd) noexcept {
    pollfd poll_fd{.fd = fd.get(), .events = POLLIN, .revents = 0};
    return ::poll(&poll_fd, 1, 0) > 0;
}

Result<> send_signal(BorrowedFd pidfd, int signal) {
    if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) != 0)
        return fail(errno_error(errno, "cannot signal a process"));
    return {};
}

namespace {

using namespace std::chrono_literals;

// What SIGKILL takes, where the kernel lets a process end.
constexpr auto kGrace = 1s;

// One helper from its start to its end; who waits for that is another question.
class HelperProcess {
  public:
    explicit HelperProcess(RunRequest request) : request_(std::move(request)) {}

    Result<> start() {
        // Memory files for input, output and errors: a helper that does not read cannot block us,
        // and we need not read for it not to be blocked.
        PMOS_ASSIGN(output_, memory_file("output"));
        PMOS_ASSIGN(errors_, memory_file("errors"));
        if (!request_.input_fd) {
            PMOS_ASSIGN(request_.input_fd, memory_file("input"));
            const auto& text = request_.input;
            if (::pwrite(request_.input_fd.get(), text.data(), text.size(), 0) !=
                static_cast<ssize_t>(text.size()))
                return fail(errno_error(errno, "cannot write a helper's input"));
        }
        request_.spawn.own_group = true;
        auto& descriptors = request_.spawn.descriptors;
        descriptors.resize(std::max<std::size_t>(descriptors.size(), 3));
        descriptors[0] = request_.input_fd.borrow();
        descriptors[1] = output_.borrow();
        descriptors[2] = errors_.borrow();
        if (request_.program) {
            // By way of the descriptor, which an interpreter opens once more by that name.
            request_.spawn.descriptors.push_back(request_.program.borrow());
            request_.spawn.name =
                std::exchange(request_.spawn.path, std::string("/proc/self/fd/3"));
        }
        PMOS_ASSIGN(child_, spawn(request_.spawn));
        return {};
    }
    BorrowedFd pidfd() const noexcept { return child_.pidfd.borrow(); }
    std::chrono::milliseconds timeout() const noexcept { return request_.timeout; }
    void kill_all() const { ::kill(-child_.pid, SIGKILL); }
    void out_of_time() {
        result_.timed_out = true;
        kill_all();  // its group: not reaped yet, so the id is its own
    }
    RunResult finish() {
        // What it left behind goes with it; not reaped yet, so the group's id is still its own.
        kill_all();
        const auto status = reap(pidfd());
        result_.code = status ? exit_code(*status) : 255;
        result_.error_text = last_line();
        result_.output = text_of(output_.borrow(), 0, request_.max_output);
        result_.output_file = std::move(output_);
        return std::move(result_);
    }
    bool may_let_go() const noexcept { return request_.let_go; }
    void is_gone() {
        if (auto gone = std::exchange(request_.gone, nullptr)) gone();
    }

  private:
    static Result<UniqueFd> memory_file(const char* name) {
        UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
        if (!fd) return fail(errno_error(errno, "cannot make a memory file"));
        return fd;
    }
    static std::string text_of(BorrowedFd fd, off_t from, std::size_t limit) {
        const off_t size = std::max<off_t>(0, ::lseek(fd.get(), 0, SEEK_END) - from);
        std::string out(std::min(limit, static_cast<std::size_t>(size)), '\0');
        const ssize_t n = ::pread(fd.get(), out.data(), out.size(), from);
        out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return out;
    }
    std::string last_line() const {
        constexpr off_t kTail = 4096;
        const off_t size = ::lseek(errors_.get(), 0, SEEK_END);
        std::string out = text_of(errors_.borrow(), std::max<off_t>(0, size - kTail), kTail);
        while (!out.empty() && out.back() == '\n') out.pop_back();
        if (const auto at = out.rfind('\n'); at != std::string::npos) out.erase(0, at + 1);
        return out;
    }

    RunRequest request_;
    UniqueFd output_, errors_;
    Spawned child_;
    RunResult result_;
};

}  // namespace

class Helper : public std::enable_shared_from_this<Helper> {
  public:
    Helper(EventLoop& loop, RunRequest request, Answer<RunResult> answer)
        : loop_(loop), process_(std::move(request)), answer_(std::move(answer)) {}

    Result<> start() {
        PMOS_TRY(process_.start());
        ended_ = loop_.on_io(process_.pidfd(), EPOLLIN,
                             [self = shared_from_this()](std::uint32_t) { self->finish(); });
        deadline_ = loop_.after(process_.timeout(), [self = shared_from_this()] {
            self->process_.out_of_time();
            if (self->process_.may_let_go()) self->let_go_soon();
        });
        if (!ended_ || !deadline_) {
            static_cast<void>(send_signal(process_.pidfd(), SIGKILL));
            return fail(Code::no_space, "cannot watch a helper");
        }
        return {};
    }
    void kill() const {
        if (ended_) static_cast<void>(send_signal(process_.pidfd(), SIGKILL));
    }
    void refuse(Error error) {
        process_.is_gone();
        answer_(fail(std::move(error)));
    }

  private:
    // Its end is still waited for, by nobody but us.
    void let_go_soon() {
        deadline_ = loop_.after(kGrace, [self = shared_from_this()] {
            RunResult result;
            result.timed_out = true;
            if (auto answer = std::exchange(self->answer_, nullptr)) answer(std::move(result));
            self->deadline_.reset();
        });
    }
    void finish() {
        const auto keep = shared_from_this();
        ended_.reset();
        deadline_.reset();
        auto result = process_.finish();
        process_.is_gone();
        if (answer_) answer_(std::move(result));
    }

    EventLoop& loop_;
    HelperProcess process_;
    Answer<RunResult> answer_;
    EventSource ended_, deadline_;
};

void HelperHandle::kill() const {
    if (const auto helper = helper_.lock()) helper->kill();
}

HelperHandle run_helper(EventLoop& loop, RunRequest request, Answer<RunResult> answer) {
    const auto helper = std::make_shared<Helper>(loop, std::move(request), std::move(answer));
    if (auto started = helper->start(); !started) helper->refuse(std::move(started.error()));
    return HelperHandle(helper);
}

Result<RunResult> run_helper_now(RunRequest request) {
    HelperProcess process(std::move(request));
    PMOS_TRY(process.start());
    pollfd ended{.fd = process.pidfd().get(), .events = POLLIN, .revents = 0};
    const auto deadline = std::chrono::steady_clock::now() + process.timeout();
    while (::poll(&ended, 1, 100) <= 0) {
        const auto over = std::chrono::steady_clock::now() - deadline;
        if (over >= 0s) process.out_of_time();
        if (over < kGrace || !process.may_let_go()) continue;
        RunResult result;
        result.timed_out = true;
        return result;
    }
    return process.finish();
}

}  // namespace pmos::event
