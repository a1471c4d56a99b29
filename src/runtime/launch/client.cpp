// launch: the requester's end of pmos-launch's socket. Decides nothing of a launch; never logs.
#include "runtime/launch/client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/regular_file.h"
#include "runtime/sys/file.h"
#include "runtime/sys/process.h"

namespace pmos::launch {
namespace {

struct Packed {
    std::uint32_t bits = 0;
    int count = 0;
    std::array<int, kMaxSlots> fds{};
};

Packed pack(const LaunchDescriptors& d) {
    const std::pair<Slot, BorrowedFd> all[] = {
        {slot_plan, d.plan},        {slot_cgroup, d.cgroup},   {slot_root_tree, d.root_tree},
        {slot_net_ns, d.net_ns},    {slot_id_ns, d.id_ns},     {slot_status, d.status},
        {slot_pidfd, d.pidfd},      {slot_stdin, d.stdin_fd},  {slot_stdout, d.stdout_fd},
        {slot_stderr, d.stderr_fd}, {slot_program, d.program},
    };
    Packed packed;
    for (const auto& [slot, fd] : all) {
        if (!fd) continue;
        packed.bits |= slot;
        packed.fds.at(static_cast<std::size_t>(packed.count++)) = fd.get();
    }
    return packed;
}

Result<UniqueFd> seal(const std::string& what, std::span<const std::byte> bytes, mode_t mode) {
    constexpr unsigned kExec = 0x10;  // MFD_EXEC, Linux 6.3
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    const std::string name = "pmos-" + what;
    UniqueFd fd(::memfd_create(name.c_str(), (mode & 0111) != 0 ? flags | kExec : flags));
    if (!fd && errno == EINVAL) fd = UniqueFd(::memfd_create(name.c_str(), flags));
    if (!fd) return fail(errno_error(errno, "cannot make a memory file for the " + what));
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t n = ::write(fd.get(), bytes.data() + done, bytes.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(errno_error(errno, "cannot write the " + what));
        done += static_cast<std::size_t>(n);
    }
    const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    if (::fchmod(fd.get(), mode) < 0 || ::fcntl(fd.get(), F_ADD_SEALS, seals) < 0)
        return fail(errno_error(errno, "cannot seal the " + what));
    return fd;
}

Error launcher_gone(int err) {
    Error e;
    e.code = Code::unreachable;
    e.sys_errno = err;
    e.what = "the launcher is gone";
    if (err != 0) e.why = std::strerror(err);
    return e;
}

// Moves every descriptor out of the message; what there are too many of is closed.
std::vector<UniqueFd> take_fds(msghdr& message) {
    std::vector<UniqueFd> fds;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            fds.emplace_back(fd);
        }
    }
    return fds;
}

// In the forked child: fixed numbers, then exec. Only raw calls, the parent may have threads.
[[noreturn]] void become_launcher(int socket, int init, const char* path) {
    // Out of the way first: either may sit on the other's place.
    const int high_socket = sys::sys_fcntl(socket, F_DUPFD, 10);
    const int high_init = sys::sys_fcntl(init, F_DUPFD, 10);
    if (high_socket >= 0 && high_init >= 0) {
        sys::sys_dup3(high_socket, kSocketFd, 0);
        sys::sys_dup3(high_init, kInitFd, 0);
        sys::sys_close_range(kInitFd + 1, ~0U, 0);
        const char* const argv[] = {"pmos-launch", nullptr};
        const char* const envp[] = {nullptr};
        sys::sys_execve(path, argv, envp);
    }
    sys::sys_exit(127);
}

}  // namespace

Result<UniqueFd> seal_plan(std::span<const std::byte> image) { return seal("plan", image, 0600); }

Result<UniqueFd> seal_program(const std::string& path) {
    constexpr std::size_t kMaxProgram = 1 << 20;
    PMOS_ASSIGN(const std::string bytes, read_regular_file(path, kMaxProgram));
    return seal("program", std::as_bytes(std::span(bytes)), 0111);
}

Result<void> send_request(BorrowedFd socket, Request request, const LaunchDescriptors& fds) {
    const Packed packed = pack(fds);
    request.magic = kRequestMagic;
    request.descriptors = packed.bits;
    const std::size_t bytes = static_cast<std::size_t>(packed.count) * sizeof(int);
    alignas(cmsghdr) char control[CMSG_SPACE(kMaxSlots * sizeof(int))]{};
    iovec data{&request, sizeof request};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (packed.count > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(bytes);
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(bytes);
        std::memcpy(CMSG_DATA(header), packed.fds.data(), bytes);
    }
    ssize_t sent = 0;
    do {
        sent = ::sendmsg(socket.get(), &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) return {};
    if (errno == EPIPE || errno == ECONNRESET) return fail(launcher_gone(errno));
    return fail(errno_error(errno, "cannot ask the launcher"));
}

Result<LaunchReply> receive_reply(BorrowedFd socket) {
    LaunchReply result;
    alignas(cmsghdr) char control[CMSG_SPACE((kMaxReplySlots + 1) * sizeof(int))];
    iovec data{&result.reply, sizeof result.reply};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t size = 0;
    do {
        size = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size == 0 || (size < 0 && errno == ECONNRESET))
        return fail(launcher_gone(size < 0 ? errno : 0));
    if (size < 0) return fail(errno_error(errno, "cannot read the launcher's answer"));
    std::vector<UniqueFd> fds = take_fds(message);
    if (static_cast<std::size_t>(size) != sizeof(Reply) || result.reply.magic != kReplyMagic ||
        (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
        return fail(Code::unreachable, "the launcher's answer makes no sense");
    if (static_cast<std::size_t>(std::popcount(result.reply.descriptors)) != fds.size())
        return fail(Code::unreachable, "the launcher's answer makes no sense");
    auto next = fds.begin();
    for (const auto& [slot, fd] :
         {std::pair(reply_pidfd, &result.pidfd), std::pair(reply_tty, &result.tty),
          std::pair(reply_listener, &result.listener)})
        if ((result.reply.descriptors & slot) != 0) *fd = std::move(*next++);
    int status = 0;
    if (!result.ok() && result.pidfd) sys::sys_reap(result.pidfd.get(), &status);
    return result;
}

Result<LauncherProcess> start_launcher(const char* launcher_path, const char* init_path) {
    UniqueFd init(::open(init_path, O_RDONLY | O_CLOEXEC));
    if (!init) return fail(errno_error(errno, std::string("cannot open '") + init_path + "'"));
    if (::access(launcher_path, X_OK) < 0)
        return fail(errno_error(errno, std::string("cannot run '") + launcher_path + "'"));
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return fail(errno_error(errno, "cannot make the launcher's socket"));
    LauncherProcess launcher;
    launcher.socket = UniqueFd(pair[0]);
    const UniqueFd theirs(pair[1]);
    clone_args args{};
    int pidfd = -1;
    args.flags = CLONE_PIDFD;
    args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    const int pid = sys::sys_clone3(args);
    if (pid == 0) become_launcher(theirs.get(), init.get(), launcher_path);
    if (pid < 0) return fail(errno_error(-pid, "cannot start the launcher"));
    launcher.pid = pid;
    launcher.pidfd = UniqueFd(pidfd);
    return launcher;
}

}  // namespace pmos::launch
