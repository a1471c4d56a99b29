// daemon: recordings that go on: who waits for them, and for how long. Never starts a mode.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

struct Recorded {
    std::vector<Details> seen;  // each with how many `times`
    std::uint64_t lost = 0;     // records that nobody could read, and kinds beyond what is kept
};

class Recorder {
  public:
    explicit Recorder(const Context& ctx) : ctx_(ctx) {}
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    // The mode has just been started for it; over() is called when the time is.
    void begin(Mode& mode, std::chrono::milliseconds how_long, std::string owner,
               std::function<void()> over, Answer<Recorded> answer);
    // Answers, where the mode that has ended was recorded. Its run may be gone already.
    void ended(const Mode& mode);
    // Calls over() of what callers that are gone have begun.
    void drop_owners(const std::function<bool(const std::string&)>& gone);

  private:
    struct Going {
        std::string owner;
        std::shared_ptr<Recording> recording;
        std::uint64_t lost_before = 0;
        std::function<void()> over;
        EventSource timer;
        Answer<Recorded> answer;
    };
    const Context& ctx_;
    std::map<std::string, Going> going_;  // by mode
};

}  // namespace pmos::daemon
