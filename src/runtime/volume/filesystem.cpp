// volume: what is on a block device, and a new file system on it. Runs mkfs with nothing
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

namespace pmos::volume {
namespace {

constexpr const char* kMkfs = "/sbin/mkfs.ext4";

// In the child: nothing here may fail silently, 127 is "could not be run".
[[noreturn]] void run_mkfs(const char* device, int errors, pid_t parent) {
    const char* const args[] = {kMkfs, "-q", "-F", "-m", "0", "-E", "nodiscard", device, nullptr};
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
    ::execve(kMkfs, const_cast<char* const*>(args), const_cast<char* const*>(env));
    ::_exit(127);
}

std::string first_line(BorrowedFd pipe) {
    std::array<char, 256> text{};
    const ssize_t n = ::read(pipe.get(), text.data(), text.size());
    if (n <= 0) return {};
    const std::string_view all(text.data(), static_cast<std::size_t>(n));
    return std::string(all.substr(0, all.find('\n')));
}

Result<void> judge(int status, BorrowedFd errors) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return fail(Code::not_found, fmt::format("cannot run '{}'", kMkfs), "",
                    "install e2fsprogs");
    const std::string why = first_line(errors);
    return fail(Code::failed, "cannot make a file system on the volume",
                why.empty() ? fmt::format("mkfs.ext4 ended with status {:#x}", status) : why);
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
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
        return fail(errno_error(errno, "cannot make a pipe"));
    const UniqueFd errors(ends[0]);
    UniqueFd child_end(ends[1]);
    const pid_t self = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return fail(errno_error(errno, fmt::format("cannot run '{}'", kMkfs)));
    if (pid == 0) run_mkfs(device.c_str(), child_end.get(), self);
    child_end.reset();
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    const auto ended = channel.wait_for(pidfd.borrow());
    const bool go_on = ended && *ended;
    if (!go_on) ::kill(pid, SIGKILL);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (!ended) return fail(ended.error());
    if (!go_on) return channel.check();
    PMOS_TRY(judge(status, errors.borrow()));
    return sync_device(device);
}

}  // namespace pmos::volume
