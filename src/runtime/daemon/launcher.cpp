// daemon: pmosd's end of pmos-launch: keeps it running, asks one thing at a time.
#include "runtime/daemon/launcher.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

namespace pmos::daemon {

using namespace std::chrono_literals;

Launcher::Launcher(EventLoop& loop, std::string libexec)
    : loop_(loop), libexec_(std::move(libexec)) {}

Result<> Launcher::start() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return fail(errno_error(errno, "cannot make the launcher's socket"));
    socket_.reset(ends[0]);
    const UniqueFd theirs(ends[1]);
    const std::string init = libexec_ + "/pmos-init";
    const UniqueFd init_file(::open(init.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!init_file) return fail(errno_error(errno, "cannot open '" + init + "'"));
    SpawnRequest request;
    request.path = libexec_ + "/pmos-launch";
    request.descriptors = {BorrowedFd(), BorrowedFd(), BorrowedFd(2), theirs.borrow(),
                           init_file.borrow()};
    static_assert(launch::kSocketFd == 3 && launch::kInitFd == 4);
    PMOS_ASSIGN(process_, spawn(request));
    exited_ = loop_.on_io(process_.pidfd.borrow(), EPOLLIN, [this](std::uint32_t) { on_exit(); });
    readable_ = loop_.on_io(socket_.borrow(), EPOLLIN, [this](std::uint32_t) { on_reply(); });
    if (!exited_ || !readable_) return fail(Code::no_space, "cannot watch the launcher");
    return {};
}

void Launcher::ask(LaunchJob job, Answer<launch::LaunchReply> answer) {
    pending_.push_back({std::move(job), std::move(answer)});
    next();
}

void Launcher::next() {
    if (asked_ || pending_.empty() || !socket_) return;
    const auto& job = pending_.front().job;
    asked_ = true;
    if (auto sent = launch::send_request(socket_.borrow(), job.request, job.descriptors); !sent)
        answer_front(fail(std::move(sent.error())));
}

void Launcher::on_reply() {
    auto reply = launch::receive_reply(socket_.borrow());
    if (!reply) {
        readable_.reset();  // its exit is what tells; until then there is nothing to hear
        return;
    }
    if (!asked_) return;
    if (reply->reply.step != launch::Step::none) {
        // The child was made for us (CLONE_PARENT): it is ours to reap.
        if (reply->pidfd) static_cast<void>(reap(reply->pidfd.borrow()));
        return answer_front(fail(launch::describe(reply->reply, pending_.front().job.plan)));
    }
    answer_front(std::move(*reply));
}

void Launcher::answer_front(Result<launch::LaunchReply> reply) {
    auto pending = std::move(pending_.front());
    pending_.pop_front();
    asked_ = false;
    loop_.soon([this, answer = std::move(pending.answer), reply = std::move(reply)]() mutable {
        answer(std::move(reply));
        next();
    });
}

void Launcher::on_exit() {
    static_cast<void>(reap(process_.pidfd.borrow()));
    exited_.reset();
    readable_.reset();
    socket_.reset();
    process_ = {};
    if (asked_)
        answer_front(fail(Code::failed, "the launcher died during a launch", "",
                          "the kernel log may say why; it is started anew, try again"));
    // Not at once: a launcher that cannot start must not become a busy loop.
    respawn_ = loop_.after(200ms, [this] {
        if (auto started = start(); started)
            next();
        else
            on_exit();
    });
}

}  // namespace pmos::daemon
