// daemon: pmosd's end of pmos-launch: keeps it running, asks one thing at a time.
#include "runtime/daemon/launcher.h"

#include <sys/epoll.h>

#include "runtime/daemon/sequence.h"

namespace pmos::daemon {

using namespace std::chrono_literals;

Launcher::Launcher(EventLoop& loop, std::string libexec)
    : loop_(loop), libexec_(std::move(libexec)), inherited_(children()) {}

Result<> Launcher::start() {
    PMOS_ASSIGN(process_, launch::start_launcher((libexec_ + "/pmos-launch").c_str(),
                                                 (libexec_ + "/pmos-init").c_str()));
    exited_ = loop_.on_io(process_.pidfd.borrow(), EPOLLIN, [this](std::uint32_t) { on_exit(); });
    readable_ =
        loop_.on_io(process_.socket.borrow(), EPOLLIN, [this](std::uint32_t) { on_reply(); });
    if (!exited_ || !readable_) return fail(Code::no_space, "cannot watch the launcher");
    return {};
}

namespace {

// The launcher's step that a test wants to fail ("launch/clone"), as the protocol counts them.
std::uint32_t requested_launch_fault() {
    const std::string wanted = requested_fault();
    for (std::uint32_t i = 1; i < static_cast<std::uint32_t>(launch::Step::of_modes_); ++i)
        if (wanted == std::string("launch/") + launch::step_name(static_cast<launch::Step>(i)))
            return i;
    return 0;
}

}  // namespace

void Launcher::ask(LaunchJob job, Answer<launch::LaunchReply> answer) {
    job.request.fail_step = requested_launch_fault();
    pending_.push_back({std::move(job), std::move(answer)});
    next();
}

void Launcher::next() {
    if (asked_ || pending_.empty() || !process_.socket) return;
    const auto& job = pending_.front().job;
    asked_ = true;
    if (auto sent = launch::send_request(process_.socket.borrow(), job.request, job.descriptors);
        !sent)
        answer_front(fail(std::move(sent.error())));
}

void Launcher::on_reply() {
    auto reply = launch::receive_reply(process_.socket.borrow());
    if (!reply) {
        readable_.reset();  // its exit is what tells; until then there is nothing to hear
        return;
    }
    if (!asked_) return;
    if (!reply->ok())
        return answer_front(fail(launch::describe(reply->reply, *pending_.front().job.plan)));
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
    // What it said just before it ended counts.
    if (asked_ && is_readable(process_.socket.borrow())) on_reply();
    exited_.reset();
    readable_.reset();
    process_ = {};
    end_strays(loop_, inherited_);
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
