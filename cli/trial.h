// cli: pmos-try inside a mode, asked one line at a time. Knows its lines and answers
// (src/runtime/probe), and judges none.
#pragma once

#include <chrono>
#include <string>

#include "cli/bus_client.h"

namespace pmos::cli {

class Trial {
  public:
    // The bus must outlive it: pmos-try ends when its caller leaves, or when this is dropped.
    static Result<Trial> start(BusClient& bus, const std::string& mode);
    // "read /proc/meminfo" to "ok 64". Calls may be named: "judge ptrace". No answer within that
    // time is an error: a mode that is frozen meanwhile answers no more.
    Result<std::string> ask(const std::string& line,
                            std::chrono::milliseconds within = std::chrono::seconds(10));

  private:
    using Deadline = std::chrono::steady_clock::time_point;
    Result<> say(std::string_view text, Deadline until) const;
    Result<> hear(Deadline until);
    Trial(UniqueFd to, UniqueFd from) : to_(std::move(to)), from_(std::move(from)) {}
    UniqueFd to_, from_;
    std::string unread_;
};

// The line with a system call's number in place of its name, and without a line feed.
Result<std::string> numbered_attempt(const std::string& line);

}  // namespace pmos::cli
