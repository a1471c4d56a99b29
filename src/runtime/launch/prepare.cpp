// launch: what can be made before a launch and used by many. Never runs after clone3 of a mode.
#include "runtime/launch/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "runtime/sys/file.h"
#include "runtime/sys/process.h"

namespace pmos::launch {
namespace {

// Ends the helper process however its caller returns.
class Helper {
  public:
    static Result<Helper> start() {
        clone_args args{};
        int pidfd = -1;
        args.flags = CLONE_NEWUSER | CLONE_PIDFD;
        args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
        const int parent = ::getpid();
        const int pid = sys::sys_clone3(args);
        if (pid == 0) {
            sys::sys_end_with(parent);
            for (;;) sys::raw(SYS_ppoll, nullptr, 0, nullptr, nullptr, 0);
        }
        if (pid < 0)
            return fail(errno_error(-pid, "cannot make a user namespace",
                                    "is user.max_user_namespaces zero"));
        return Helper(pid, pidfd);
    }
    Helper(Helper&& other) noexcept
        : pid_(std::exchange(other.pid_, 0)), pidfd_(std::move(other.pidfd_)) {}
    Helper& operator=(Helper&&) = delete;
    ~Helper() {
        if (pid_ == 0) return;
        sys::sys_pidfd_send_signal(pidfd_.get(), SIGKILL);
        siginfo_t info{};
        while (waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | __WALL) < 0 &&
               errno == EINTR) {
        }
    }

    Result<UniqueFd> open(const char* file, int flags) const {
        const std::string path = fmt::format("/proc/{}/{}", pid_, file);
        UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC));
        if (!fd) return fail(errno_error(errno, "cannot open '" + path + "'"));
        return fd;
    }

  private:
    Helper(int pid, int pidfd) : pid_(pid), pidfd_(pidfd) {}
    int pid_;
    UniqueFd pidfd_;
};

Result<void> write_map(const Helper& helper, const char* file, std::span<const policy::IdMap> map) {
    std::string text;
    for (const policy::IdMap& m : map)
        text += fmt::format("{} {} {}\n", m.inside, m.outside, m.count);
    PMOS_ASSIGN(const UniqueFd fd, helper.open(file, O_WRONLY));
    if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return fail(errno_error(errno, fmt::format("cannot write {}", file)));
    return {};
}

}  // namespace

Result<UniqueFd> make_id_namespace(std::span<const policy::IdMap> uid_map,
                                   std::span<const policy::IdMap> gid_map) {
    PMOS_ASSIGN(const Helper helper, Helper::start());
    PMOS_TRY(write_map(helper, "uid_map", uid_map));
    PMOS_TRY(write_map(helper, "gid_map", gid_map));
    return helper.open("ns/user", O_RDONLY);
}

}  // namespace pmos::launch
