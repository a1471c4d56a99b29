// daemon: recordings that are asked for and that go on: who waits for them, and for how long. Never
// starts or stops a mode itself.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
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

    // A recording from its request on: it waits for its turn and for the start of the mode, and
    // whoever asked for it may leave, or call it off, before it goes on.
    struct Asked {
        std::string mode, owner;
        bool called_off = false;
    };
    using Ticket = std::shared_ptr<Asked>;
    Ticket ask(const Mode& mode, std::string owner);

    // The mode has just been started for it; over() is to end it: when its time is up, or when it
    // has been called off already.
    void begin(Mode& mode, std::chrono::milliseconds how_long, const Ticket& asked,
               std::function<void()> over, Answer<Recorded> answer);
    // It ends, and its caller is told why instead of what was seen.
    void refuse(const Mode& mode, Error why);
    // Answers, where the mode that has ended was recorded. Its run may be gone already.
    void ended(const Mode& mode);
    // False: that owner has asked for none of this mode.
    bool call_off(const Mode& mode, const std::string& owner);
    // Ends what callers that are gone have asked for.
    void drop_owners(const std::function<bool(const std::string&)>& gone);

  private:
    struct Going {
        Ticket asked;
        std::shared_ptr<Recording> recording;
        std::uint64_t lost_before = 0;
        std::function<void()> over;
        EventSource timer;
        Answer<Recorded> answer;
        std::optional<Error> refused;
    };
    bool call_off(const std::function<bool(const Asked&)>& which);

    const Context& ctx_;
    std::vector<std::weak_ptr<Asked>> asked_;  // as long as somebody holds the ticket
    std::map<std::string, Going> going_;       // by mode
};

}  // namespace pmos::daemon
