// launch: what can be made before a launch and used by many. Never runs after clone3 of a mode.
#include "runtime/launch/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <string>

#include "runtime/sys/beside.h"
#include "runtime/sys/file.h"
#include "runtime/sys/process.h"

namespace pmos::launch {
namespace {

int wait_for_the_end(void* parent) {
    sys::sys_end_with(*static_cast<const int*>(parent));
    for (;;) sys::raw(SYS_ppoll, nullptr, 0, nullptr, nullptr, 0);
}

// Ends the helper process however its caller returns.
class Helper {
  public:
    Helper() = default;
    Helper(const Helper&) = delete;
    Helper& operator=(const Helper&) = delete;
    Result<> start() {
        int pidfd = -1;
        pid_ = sys::clone_beside(wait_for_the_end, &parent_, stack_.top(),
                                 CLONE_NEWUSER | CLONE_FILES, &pidfd);
        if (pid_ < 0)
            return fail(errno_error(-std::exchange(pid_, 0), "cannot make a user namespace",
                                    "is user.max_user_namespaces zero"));
        pidfd_.reset(pidfd);
        return {};
    }
    ~Helper() {
        if (pid_ == 0) return;
        sys::sys_pidfd_send_signal(pidfd_.get(), SIGKILL);
        sys::reap_beside(pidfd_.get());
    }

    Result<UniqueFd> open(const char* file, int flags) const {
        const std::string path = fmt::format("/proc/{}/{}", pid_, file);
        UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC));
        if (!fd) return fail(errno_error(errno, "cannot open '" + path + "'"));
        return fd;
    }

  private:
    int parent_ = ::getpid(), pid_ = 0;
    UniqueFd pidfd_;
    sys::BesideStack stack_;
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
    Helper helper;
    PMOS_TRY(helper.start());
    PMOS_TRY(write_map(helper, "uid_map", uid_map));
    PMOS_TRY(write_map(helper, "gid_map", gid_map));
    return helper.open("ns/user", O_RDONLY);
}

}  // namespace pmos::launch
