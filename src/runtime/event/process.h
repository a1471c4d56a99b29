// event: starting and reaping the helper processes. Waits for none while the loop runs.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/event/loop.h"

namespace pmos::event {

struct SpawnRequest {
    std::string path;
    std::string name;               // argv[0], where it is not the path
    std::vector<std::string> args;  // without argv[0]
    std::vector<std::string> env;   // the whole environment
    // descriptors[i] becomes descriptor i in the child; an empty one is /dev/null.
    std::vector<BorrowedFd> descriptors;
    bool own_group = false;  // a process group of its own, so that all of it can be ended
};

// posix_spawn(3) with a clean signal mask. The pidfd is readable when the process has ended.
struct Spawned {
    UniqueFd pidfd;
    int pid = 0;
};
Result<Spawned> spawn(const SpawnRequest& request);

// wait status as waitpid(2) gives it, once the pidfd is readable; not_found when the process is
// not our child (adopted after a restart).
Result<int> reap(BorrowedFd pidfd);
// Exit code, or 128 + signal.
int exit_code(int wait_status) noexcept;
// Without blocking. A pidfd becomes readable when its process ends.
bool is_readable(BorrowedFd fd) noexcept;
inline bool has_ended(BorrowedFd pidfd) noexcept { return is_readable(pidfd); }
Result<> send_signal(BorrowedFd pidfd, int signal);

class Helper;

// A helper that runs to its end within a time limit, its standard input fed and its standard error
// kept for the message.
struct RunRequest {
    SpawnRequest spawn;  // of its descriptors only those behind the third count
    std::string input;
    UniqueFd input_fd = {};  // instead of the text
    UniqueFd program = {};   // what runs, instead of what spawn.path names; also its descriptor 3
    std::chrono::milliseconds timeout{10000};
    std::size_t max_output = 1U << 20;
    // Past its time it is answered for, though it has not ended: the kernel lets nobody end who
    // waits for a file system in user space.
    bool let_go = false;
    std::move_only_function<void()> gone = nullptr;  // once it has ended, or was never started
};
struct RunResult {
    int code = 0;  // exit code, or 128 + signal
    bool timed_out = false;
    std::string error_text;  // the last line it wrote to standard error
    std::string output;      // of standard output the first max_output bytes
    UniqueFd output_file;    // all of it
};
// Ends a helper before its time; it is answered for all the same. Keeps nothing alive.
class HelperHandle {
  public:
    HelperHandle() = default;
    void kill() const;
    bool ended() const noexcept { return helper_.expired(); }

  private:
    friend HelperHandle run_helper(EventLoop& loop, RunRequest request, Answer<RunResult> answer);
    explicit HelperHandle(std::weak_ptr<Helper> helper) : helper_(std::move(helper)) {}
    std::weak_ptr<Helper> helper_;
};
HelperHandle run_helper(EventLoop& loop, RunRequest request, Answer<RunResult> answer);
// Waits for it. Only before the loop runs, and after it.
Result<RunResult> run_helper_now(RunRequest request);

}  // namespace pmos::event
