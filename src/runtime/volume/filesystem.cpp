// volume: what is on a block device, and a new file system on it. Runs mkfs and e2fsck with nothing
// inherited; never sees a key.
#include "runtime/volume/filesystem.h"

#include <blkid/blkid.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <vector>

#include "runtime/volume/usage.h"

namespace pmos::volume {
namespace {

using Program = std::vector<const char*>;

// In the child: nothing here may fail silently, 127 is "could not be run".
[[noreturn]] void run_in_child(const Program& program, int errors, pid_t parent) {
    const char* const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", nullptr};
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    const int null = ::open("/dev/null", O_RDWR);
    if (null < 0 || ::dup2(null, 0) < 0 || ::dup2(null, 1) < 0 || ::dup2(errors, 2) < 0)
        ::_exit(127);
    ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    ::execve(program[0], const_cast<char* const*>(program.data()), const_cast<char* const*>(env));
    ::_exit(127);
}

std::string first_line(BorrowedFd pipe) {
    std::array<char, 256> text{};
    const ssize_t n = ::read(pipe.get(), text.data(), text.size());
    if (n <= 0) return {};
    const std::string_view all(text.data(), static_cast<std::size_t>(n));
    return std::string(all.substr(0, all.find('\n')));
}

// Runs it to its end; killed when the request is cancelled. Its exit status, and what it said.
struct Ended {
    int status = 0;
    std::string said;
};
Result<Ended> run(Program program, Channel& channel) {
    program.push_back(nullptr);
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
        return fail(errno_error(errno, "cannot make a pipe"));
    const UniqueFd errors(ends[0]);
    UniqueFd child_end(ends[1]);
    const pid_t self = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return fail(errno_error(errno, fmt::format("cannot run '{}'", program[0])));
    if (pid == 0) run_in_child(program, child_end.get(), self);
    child_end.reset();
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    const auto ended = channel.wait_for(pidfd.borrow());
    const bool go_on = ended && *ended;
    if (!go_on) ::kill(pid, SIGKILL);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (!ended) return fail(ended.error());
    if (!go_on) PMOS_TRY(channel.check());
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return fail(Code::not_found, fmt::format("cannot run '{}'", program[0]), "",
                    "install e2fsprogs");
    return Ended{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                 first_line(errors.borrow())};
}

Result<void> sync_device(const std::string& device) {
    const UniqueFd fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0)
        return fail(errno_error(errno, fmt::format("cannot sync '{}'", device)));
    return {};
}

}  // namespace

Result<std::string> find_signature(const std::string& device) {
    const std::unique_ptr<std::remove_pointer_t<blkid_probe>, decltype(&::blkid_free_probe)> probe(
        ::blkid_new_probe_from_filename(device.c_str()), &::blkid_free_probe);
    if (!probe) return fail(errno_error(errno, fmt::format("cannot look at '{}'", device)));
    ::blkid_probe_enable_superblocks(probe.get(), 1);
    ::blkid_probe_set_superblocks_flags(probe.get(), BLKID_SUBLKS_TYPE);
    ::blkid_probe_enable_partitions(probe.get(), 1);
    const int found = ::blkid_do_safeprobe(probe.get());
    if (found == 1) return std::string();
    if (found == -2) return std::string("more than one");
    if (found < 0) return fail(errno_error(errno, fmt::format("cannot read '{}'", device)));
    const char* value = nullptr;
    if (::blkid_probe_lookup_value(probe.get(), "TYPE", &value, nullptr) == 0 ||
        ::blkid_probe_lookup_value(probe.get(), "PTTYPE", &value, nullptr) == 0)
        return std::string(value);
    return std::string("unknown");
}

Result<void> make_ext4(const std::string& device, Channel& channel) {
    PMOS_ASSIGN(const auto ended,
                run({"/sbin/mkfs.ext4", "-q", "-F", "-m", "0", "-E", "nodiscard", device.c_str()},
                    channel));
    if (ended.status != 0)
        return fail(
            Code::failed, "cannot make a file system on the volume",
            ended.said.empty() ? fmt::format("mkfs.ext4 ended with {}", ended.status) : ended.said);
    return sync_device(device);
}

Result<void> check_ext4(const std::string& device, Channel& channel) {
    PMOS_ASSIGN(const auto ended, run({"/sbin/e2fsck", "-p", device.c_str()}, channel));
    // e2fsck(8): 1 and 2 are "repaired", bits above are "not repaired" and "could not look".
    if (ended.status < 4) return sync_device(device);
    return fail(Code::failed, "the volume's file system has damage that needs a decision",
                ended.said.empty() ? fmt::format("e2fsck ended with {}", ended.status) : ended.said,
                fmt::format("run e2fsck {} by hand", device));
}

Result<UniqueFd> mount_checked(const std::string& device, Channel& channel) {
    if (!is_mounted(device)) PMOS_TRY(check_ext4(device, channel));
    return mount_detached(device);
}

}  // namespace pmos::volume
