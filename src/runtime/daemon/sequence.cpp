// daemon: an ordered array of steps, each with its undo. What fails half-way is undone in reverse.
#include "runtime/daemon/sequence.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdlib>

#include "base/fault_points.h"

namespace pmos::daemon {

std::string requested_fault() {
    if constexpr (!kFaultPoints) return {};
    const char* path = ::getenv("PMOS_FAULT_FILE");
    const UniqueFd file(
        ::open(path != nullptr ? path : "/run/pmos/fail-step", O_RDONLY | O_CLOEXEC));
    char text[128];
    const ssize_t n = file ? ::read(file.get(), text, sizeof text) : 0;
    std::string step(text, n > 0 ? static_cast<std::size_t>(n) : 0);
    while (!step.empty() && step.back() == '\n') step.pop_back();
    return step;
}

namespace {

constexpr std::chrono::seconds kTold{1};

class Sequence : public std::enable_shared_from_this<Sequence> {
  public:
    Sequence(EventLoop& loop, std::string name, std::vector<SequenceStep> steps, Done done,
             std::shared_ptr<std::vector<StepTime>> times, Waits waits)
        : loop_(loop),
          name_(std::move(name)),
          steps_(std::move(steps)),
          done_(std::move(done)),
          times_(std::move(times)),
          waits_(std::move(waits)) {}

    void begin() {
        watch();
        forward();
    }

  private:
    void forward() {
        if (at_ == steps_.size()) return finish();
        auto& step = steps_[at_];
        if (requested_fault() == name_ + "/" + step.name)
            return failed(errno_error(EIO, "a test failed this step"));
        step.run([self = shared_from_this(), begun = Clock::now()](Result<> result) {
            if (!result) return self->failed(std::move(result.error()));
            if (self->times_)
                self->times_->push_back(
                    {self->steps_[self->at_].name,
                     std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun)});
            ++self->at_;
            self->forward();
        });
    }

    using Clock = std::chrono::steady_clock;

    // Most take milliseconds, and are not worth a word.
    void watch() {
        if (!waits_) return;
        later_ = loop_.after(kTold, [this] {
            if (!failed_ && at_ < steps_.size())
                waits_(steps_[at_].name, static_cast<std::uint32_t>(at_ * 1000 / steps_.size()));
            watch();
        });
    }

    void failed(Error error) {
        if (error.step.empty()) error.step = steps_[at_].name;
        error_ = std::move(error);
        failed_ = true;
        backward();
    }

    void backward() {
        if (at_ == 0) return finish();
        auto& step = steps_[--at_];
        if (!step.undo) return backward();
        step.undo([self = shared_from_this()](Result<> result) {
            if (!result) self->error_.undo_failures.push_back(std::move(result.error()));
            self->backward();
        });
    }

    // In a turn of its own, so that no caller is re-entered while it still holds its own state.
    void finish() {
        later_.reset();
        loop_.soon([self = shared_from_this()] {
            auto done = std::move(self->done_);
            self->steps_.clear();  // frees what the steps captured before anybody goes on
            if (self->failed_)
                done(fail(std::move(self->error_)));
            else
                done({});
        });
    }

    EventLoop& loop_;
    std::string name_;
    std::vector<SequenceStep> steps_;
    Done done_;
    std::shared_ptr<std::vector<StepTime>> times_;
    std::size_t at_ = 0;
    bool failed_ = false;
    Error error_;
    Waits waits_;
    EventSource later_;
};

}  // namespace

void run_sequence(EventLoop& loop, std::string name, std::vector<SequenceStep> steps, Done done,
                  std::shared_ptr<std::vector<StepTime>> times, Waits waits) {
    std::make_shared<Sequence>(loop, std::move(name), std::move(steps), std::move(done),
                               std::move(times), std::move(waits))
        ->begin();
}

void JobQueue::add(Job job, Done done) {
    waiting_.emplace_back(std::move(job), std::move(done));
    if (!busy_) next();
}

void JobQueue::next() {
    if (waiting_.empty()) return;
    busy_ = true;
    auto [job, done] = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    job([this, done = std::move(done)](Result<> result) mutable {
        loop_.soon([this, done = std::move(done), result = std::move(result)]() mutable {
            busy_ = false;
            done(std::move(result));
            if (!busy_) next();
        });
    });
}

}  // namespace pmos::daemon
