// daemon: what is being done to volumes and takes long: beside the queue of its mode, so that the
// mode can be stopped meanwhile, and cut short by whoever needs the volume. Runs none itself.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/daemon/loop.h"

namespace pmos::daemon {

class VolumeWorks {
  public:
    struct Work {
        std::string mode, owner, verb;
        bool begun = false, called_off = false;
        bool mounts = true;            // it has the volume mounted
        bool yields = false;           // to a lock: it may wait for a person, in its mode's queue
        std::string why;               // it was called off by pmosd itself
        std::function<void()> cancel;  // asks the worker to end; it still answers
        std::vector<Done> waiting;     // for its end
    };
    using Ticket = std::shared_ptr<Work>;

    explicit VolumeWorks(EventLoop& loop) : loop_(loop) {}
    // Somebody waits for it to begin.
    Ticket ask(const std::string& mode, std::string owner, std::string verb);
    static std::unexpected<Error> called_off(const Work& work);
    // The answer to who asked for it: where pmosd has called it off that, whatever its worker said.
    template <class Value>
    static Result<Value> ended(const Work& work, Result<Value> result) {
        if (result || work.why.empty()) return result;
        auto told = called_off(work);
        told.error().undo_failures = std::move(result.error().undo_failures);
        return told;
    }
    // What yields, be it under way or waiting, ends as soon as it can: behind it waits what is not
    // to wait for a person.
    void make_way(const std::string& mode, const std::string& why);
    // Whether something is under way, or waits, that would have to.
    bool would_yield(const std::string& mode) const;
    // Code::busy: there is one in this mode already. Code::cancelled: nobody wants it any more.
    Result<> begin(const Ticket& ticket);
    // Also of one that did not begin.
    void end(const Ticket& ticket);
    // Cuts short what goes on in the mode, and answers when it has ended; at once where nothing is.
    void stop(const std::string& mode, Done done);
    // The same, but what does not mount the volume goes on.
    void stop_mounted(const std::string& mode, Done done);
    void drop_owners(const std::function<bool(const std::string&)>& gone);

  private:
    Ticket going_on(const std::string& mode) const;
    static void stop(const Ticket& work, Done done);
    static void call_off(Work& work);

    EventLoop& loop_;
    std::list<Ticket> works_;
};

}  // namespace pmos::daemon
