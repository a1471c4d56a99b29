// daemon: asks one thing of one pmos-volume process. Never reads the secret it passes on.
#include "runtime/daemon/volume_worker.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>

#include "base/text.h"

namespace pmos::daemon {
namespace {

class Worker : public std::enable_shared_from_this<Worker> {
  public:
    Worker(EventLoop& loop, VolumeJob job, Answer<VolumeEnd> answer)
        : loop_(loop), job_(std::move(job)), answer_(std::move(answer)) {}

    Result<> start(const std::string& libexec) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
            return fail(errno_error(errno, "cannot make the volume worker's socket"));
        socket_.reset(ends[0]);
        const UniqueFd theirs(ends[1]);
        SpawnRequest request;
        request.path = libexec + "/pmos-volume";
        request.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"};
        request.descriptors = {BorrowedFd(), BorrowedFd(), BorrowedFd(2), theirs.borrow()};
        static_assert(volume::kSocketFd == 3);
        PMOS_ASSIGN(process_, spawn(request));
        PMOS_ASSIGN(auto wire, volume::make_request(job_.verb, job_.mode, job_.volume, job_.places,
                                                    job_.ways));
        wire.replaces = job_.replaces ? 1 : 0;
        for (const auto& peer : job_.peers)
            if (wire.peer_count < volume::kMaxPeers)
                std::ranges::copy(peer, wire.peers[wire.peer_count++]);
        PMOS_TRY(volume::send_request(socket_.borrow(), wire, job_.secret.borrow(),
                                      job_.other.borrow()));
        job_.secret.reset();
        job_.other.reset();
        readable_ = loop_.on_io(socket_.borrow(), EPOLLIN,
                                [self = shared_from_this()](std::uint32_t) { self->on_event(); });
        exited_ = loop_.on_io(process_.pidfd.borrow(), EPOLLIN,
                              [self = shared_from_this()](std::uint32_t) { self->on_exit(); });
        if (!readable_ || !exited_) return fail(Code::no_space, "cannot watch the volume worker");
        return {};
    }

    // The worker undoes what it began when its socket closes.
    void refuse(Error error) {
        readable_.reset();
        exited_.reset();
        socket_.reset();
        if (process_.pidfd) {
            static_cast<void>(send_signal(process_.pidfd.borrow(), SIGTERM));
            exited_ = loop_.on_io(process_.pidfd.borrow(), EPOLLIN,
                                  [self = shared_from_this()](std::uint32_t) {
                                      const auto keep = self;
                                      static_cast<void>(reap(keep->process_.pidfd.borrow()));
                                      keep->exited_.reset();
                                  });
        }
        answer_(fail(std::move(error)));
    }

    void cancel() {
        if (process_.pidfd) static_cast<void>(send_signal(process_.pidfd.borrow(), SIGTERM));
    }

  private:
    // False when there is nothing more to hear.
    bool hear() {
        auto event = volume::receive_event(socket_.borrow());
        if (!event || !*event) return false;
        if ((*event)->kind == volume::EventKind::detail)
            details_.emplace_back(printable((*event)->step), printable((*event)->what));
        else if ((*event)->kind == volume::EventKind::keys_ended)
            keys_ended();
        else if ((*event)->kind != volume::EventKind::progress)
            last_ = **event;
        else if (job_.progress)
            job_.progress((*event)->permille, (*event)->step);
        return true;
    }

    void keys_ended() {
        if (job_.keys_ended) job_.keys_ended();
    }

    void on_event() {
        const auto keep = shared_from_this();
        if (!hear()) readable_.reset();  // closed: its exit decides
    }

    void on_exit() {
        const auto keep = shared_from_this();
        while (hear()) {  // what it said just before it ended
        }
        exited_.reset();
        readable_.reset();
        const auto status = reap(process_.pidfd.borrow());
        if (last_ && last_->kind == volume::EventKind::failed)
            return answer_(fail(volume::to_error(*last_)));
        answer_(VolumeEnd{last_, status ? exit_code(*status) : 255, std::move(details_)});
    }

    EventLoop& loop_;
    VolumeJob job_;
    Answer<VolumeEnd> answer_;
    UniqueFd socket_;
    Spawned process_;
    EventSource readable_, exited_;
    std::optional<volume::Event> last_;
    Details details_;
};

}  // namespace

std::function<void()> run_volume_worker(EventLoop& loop, const std::string& libexec, VolumeJob job,
                                        Answer<VolumeEnd> answer) {
    const auto worker = std::make_shared<Worker>(loop, std::move(job), std::move(answer));
    if (auto started = worker->start(libexec); !started) worker->refuse(std::move(started.error()));
    return [weak = std::weak_ptr(worker)] {
        if (const auto still = weak.lock()) still->cancel();
    };
}

}  // namespace pmos::daemon
