// daemon: an ordered array of steps, each with its undo. What fails half-way is undone in reverse.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/daemon/loop.h"

namespace pmos::daemon {

struct SequenceStep {
    const char* name;
    // Must leave nothing behind itself when it answers an error.
    std::move_only_function<void(Done)> run;
    // Called only after run succeeded and a later step failed. Empty: nothing to undo.
    std::move_only_function<void(Done)> undo = nullptr;
};

// Of a step that was carried out.
struct StepTime {
    const char* name;
    std::chrono::microseconds took;
};

// Told each second which step is waited for, and how many of them lie behind, in permille.
using Waits = std::function<void(const char* step, std::uint32_t permille)>;

// Runs the steps one after the other; answers the first error, with the step's name in it and
// with the faults of the undo attached. Keeps itself alive until it has answered, and times with
// it.
void run_sequence(EventLoop& loop, std::string name, std::vector<SequenceStep> steps, Done done,
                  std::shared_ptr<std::vector<StepTime>> times = nullptr, Waits waits = nullptr);

// The step that a test wants to fail ("start/cgroup"), "" for none. Always "" unless the build
// has -Dfaults=true.
std::string requested_fault();

// One operation at a time, in the order they came.
class JobQueue {
  public:
    explicit JobQueue(EventLoop& loop) : loop_(loop) {}
    using Job = std::move_only_function<void(Done)>;
    void add(Job job, Done done);
    bool idle() const noexcept { return !busy_; }
    // Behind the one that runs.
    std::size_t waiting() const noexcept { return waiting_.size(); }

  private:
    void next();
    EventLoop& loop_;
    std::vector<std::pair<Job, Done>> waiting_;
    bool busy_ = false;
};

}  // namespace pmos::daemon
