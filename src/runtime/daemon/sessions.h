// daemon: programs that were entered into running modes (exec). Never reads what they write.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/daemon/context.h"
#include "runtime/daemon/launcher.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

struct ExecRequest {
    std::vector<std::string> args;
    std::vector<std::string> env;  // added to the plan's, replacing equal names
    std::string cwd;               // "" is the plan's
    std::optional<std::uint32_t> uid, gid;
    bool trial = false;  // pmos-try in place of a program of the mode's; args are nothing to it
    bool tty = false;
    std::uint16_t rows = 0, columns = 0;
    std::vector<UniqueFd> stdio;  // three, without tty
};

struct ExecStarted {
    std::uint32_t session = 0;
    UniqueFd terminal;  // the pty's master, with tty
};

class Sessions {
  public:
    explicit Sessions(Context& ctx) : ctx_(ctx) {}
    Sessions(const Sessions&) = delete;
    Sessions& operator=(const Sessions&) = delete;

    // owner names who asked; its sessions end when it leaves (drop_owner).
    // Errors: not_running, frozen, not_found (program), and the launcher's.
    void exec(Mode& mode, ExecRequest request, std::string owner, Answer<ExecStarted> answer);
    Result<> signal(std::uint32_t session, const std::string& owner, int signal);
    // Exit code or 128 + signal; a session can be waited for once, by its owner.
    void wait(std::uint32_t session, const std::string& owner, Answer<int> answer);
    // Ends the sessions of callers that are gone: SIGHUP now, SIGKILL a second later.
    void drop_owners(const std::function<bool(const std::string&)>& gone);

  private:
    struct Session {
        std::string owner;
        UniqueFd pidfd;
        EventSource exited, killer;
        std::optional<int> code;
        Answer<int> waiter;
        bool dropped = false;
    };
    struct Asking;  // until the launcher has answered
    void ask(Mode& mode, std::shared_ptr<Asking> asking, Done job_done);
    void started(std::uint32_t id);
    void drop(Session& session);
    void ended(std::uint32_t id);
    Result<Session*> find(std::uint32_t id, const std::string& owner);

    Context& ctx_;
    std::uint32_t next_id_ = 1;
    std::map<std::uint32_t, Session> sessions_;
    std::vector<std::weak_ptr<Asking>> asking_;
};

}  // namespace pmos::daemon
