// daemon: pmosd's end of pmos-launch: keeps it running, asks one thing at a time.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "policy/launch_plan.h"
#include "runtime/daemon/process.h"
#include "runtime/daemon/strays.h"
#include "runtime/launch/client.h"
#include "runtime/launch/protocol.h"

namespace pmos::daemon {

// The descriptors are lent until the answer.
struct LaunchJob {
    launch::Request request;
    launch::LaunchDescriptors descriptors;
    const policy::LaunchPlan* plan = nullptr;  // for the words of an error
};

class Launcher {
  public:
    Launcher(EventLoop& loop, std::string libexec);
    Launcher(const Launcher&) = delete;
    Launcher& operator=(const Launcher&) = delete;

    Result<> start();
    // The answer holds the pidfd and, for a terminal, the pty's master.
    void ask(LaunchJob job, Answer<launch::LaunchReply> answer);

  private:
    struct Pending {
        LaunchJob job;
        Answer<launch::LaunchReply> answer;
    };
    void next();
    void on_reply();
    void on_exit();
    void answer_front(Result<launch::LaunchReply> reply);

    EventLoop& loop_;
    std::string libexec_;
    std::vector<Child> inherited_;
    launch::LauncherProcess process_;
    EventSource readable_, exited_, respawn_;
    std::deque<Pending> pending_;
    bool asked_ = false;
};

}  // namespace pmos::daemon
