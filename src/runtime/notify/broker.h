// notify: whose a notification is, who may see it, and who asks that the screen stays on. Knows no
// bus.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/event/loop.h"
#include "runtime/notify/notes.h"
#include "runtime/notify/protocol.h"

namespace pmos::notify {

// What is seen of a mode from outside of it.
struct Shown {
    std::string mode;
    std::uint32_t count = 0;
    const Notes* notes = nullptr;  // what they say; none where that is not told
};

// What can be told of it without keeping it: the same where nothing new is to be seen.
struct Mark {
    std::string mode;
    std::uint32_t count = 0;
    std::uint64_t revision = 0;
    friend bool operator==(const Mark&, const Mark&) = default;
};
std::vector<Mark> marks_of(const std::vector<Shown>& shown);

class Broker {
  public:
    class Listener {
      public:
        virtual ~Listener() = default;
        virtual void modes_changed() = 0;
        virtual void closed(const std::string& mode, std::uint32_t id, Reason reason) = 0;
        virtual void invoked(const std::string& mode, std::uint32_t id,
                             const std::string& action) = 0;
        // Something may be seen otherwise, or another mode wants the screen on; of many changes
        // at once one.
        virtual void changed() = 0;
    };

    explicit Broker(event::EventLoop& loop) : loop_(loop) {}
    Broker(const Broker&) = delete;
    Broker& operator=(const Broker&) = delete;
    void listen(Listener& listener) { listener_ = &listener; }

    // Once it returns, nothing is kept that the table does not let a mode have.
    void set_table(const Table& table);
    // nullptr: it has no socket.
    const ModeRights* rights(const std::string& mode) const;
    std::vector<std::string> modes() const;

    // How long it is shown: by who made it.
    Result<std::uint32_t> notify(const std::string& mode, Note note, std::uint32_t replaces);
    Result<> close(const std::string& mode, std::uint32_t id, Reason reason);
    Result<> invoke(const std::string& mode, std::uint32_t id, const std::string& action);

    // client: by its name on the mode's socket. The answer is a cookie.
    Result<std::uint32_t> keep_awake(const std::string& mode, const std::string& client);
    Result<> let_sleep(const std::string& mode, const std::string& client, std::uint32_t cookie);
    void client_gone(const std::string& mode, const std::string& client);

    // Of the other modes, to one that is in front; to any other one nothing.
    std::vector<Shown> shown_to(const std::string& mode) const;
    // To who draws the panel: of the mode in front all, of the others as to that.
    std::vector<Shown> shown_to_host() const;
    std::vector<ModeUse> uses() const;

  private:
    struct Mode {
        ModeRights rights;
        Notes notes;
        std::map<std::uint32_t, std::string> awake;  // cookie to client
        std::uint32_t last_cookie = 0;
    };
    Result<Mode*> find(const std::string& mode);
    static Shown shown_of(const std::string& name, const Mode& mode, Telling telling);
    void forget(const std::string& name, Mode& mode);
    void tell_closed(const std::string& mode, const std::vector<Notes::Gone>& gone);
    void touched();
    void expire();

    event::EventLoop& loop_;
    Listener* listener_ = nullptr;
    std::map<std::string, Mode> modes_;
    event::EventSource tell_later_, expire_later_;
};

}  // namespace pmos::notify
