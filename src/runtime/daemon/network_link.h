// daemon: what goes to the network's broker and comes from it: which mode gets a network, which
// goes on with the one it has, and whose is over. Sees no key and no packet.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/explain.h"
#include "policy/network_plan.h"
#include "runtime/daemon/broker_link.h"
#include "runtime/network/protocol.h"

namespace pmos::daemon {

struct NetworkPeer {
    std::string public_key, endpoint;
    std::uint64_t handshake = 0, received = 0;  // CLOCK_REALTIME in s, 0: none yet; bytes
};
struct NetworkStatus {
    std::string lost;  // why the mode has no network any more; "": it has
    std::uint64_t received = 0, sent = 0;
    std::uint64_t spent = 0;  // of the day's volume
    std::vector<NetworkPeer> peers;
};

// What the rules of a mode's network have refused.
struct NetworkRefusal {
    policy::RefusedConnection what;
    std::uint32_t uid = network::kNobody;  // whose socket it was
    std::uint64_t times = 1;
    bool untold = false;  // so many more of which nothing else is known
};

// Whom a mode speaks with.
struct NetworkRow {
    std::string direction, protocol, address, name;
    std::uint16_t port = 0;
    std::uint32_t connections = 0;
    std::uint64_t sent = 0, received = 0;  // bytes
};
struct NetworkConnections {
    std::vector<NetworkRow> rows;
    std::uint64_t others = 0;  // connections that are in none of them
};

struct Running;
// The namespace of a mode that runs.
Result<UniqueFd> net_ns_of(const Running& running);

class NetworkLink {
  public:
    using Lost = std::function<void(const std::string& mode, const std::string& why)>;
    NetworkLink(EventLoop& loop, std::string dir, Lost lost)
        : loop_(loop), dir_(std::move(dir)), told_lost_(std::move(lost)) {}
    using Refused = std::function<void(const std::string& mode, const NetworkRefusal& refusal)>;
    void on_refused(Refused refused) { told_refused_ = std::move(refused); }
    // The day's volume of a mode, in bytes, is used up.
    using Spent = std::function<void(const std::string& mode, std::uint64_t volume)>;
    void on_spent(Spent spent) { told_spent_ = std::move(spent); }
    // From here on it looks for the broker. What runs was adopted before: what is anybody else's is
    // removed.
    void begin();

    struct Wanted {
        BorrowedFd net_ns, plan;
        UniqueFd key;       // of a tunnel: a pipe with the private key in it
        bool runs = false;  // the mode does, and goes on if it fails: it has lost its network then
    };
    // Answers when all of it is in place, or not any more than that: after an error there is
    // nothing, and the namespace of a start is no use. Without a broker it waits for one, for some
    // seconds.
    void connect(const std::string& mode, Wanted wanted, Done done);
    // Of a mode that runs with its network since before this pmosd.
    void adopt(const std::string& mode, UniqueFd net_ns, UniqueFd plan);
    // The mode's last process is gone, or its start is undone. Without a broker the next one is
    // told.
    void disconnect(const std::string& mode, Done done);
    // Of a mode that runs on: nothing is left of it when this answers, or it is an error, also
    // where no broker comes within some seconds.
    void shut(const std::string& mode, UniqueFd net_ns, Done done);
    // The mode runs on without; told once.
    void lose(const std::string& mode, const std::string& why);
    bool stands(const std::string& mode) const;
    // It has no network any more, though it runs.
    bool is_lost(const std::string& mode) const;
    void status(const std::string& mode, Answer<NetworkStatus> answer);
    void connections(const std::string& mode, Answer<NetworkConnections> answer);
    // Why no mode could have a network now; "": they could.
    std::string why_not() const;

  private:
    enum class Stage : std::uint8_t { wanted, asked, connected, lost };
    // Of one mode. Held here, so that a new broker can be told what runs.
    struct Wire {
        Stage stage = Stage::wanted;
        UniqueFd net_ns, plan, key;
        std::uint64_t turn = 0;  // of the call that is under way
        Done start;              // who waits for it
        bool runs = false;       // the mode, whatever becomes of this
        EventSource patience;
        std::string why;  // it was lost
    };
    bool connected() const { return link_ && link_->connected(); }
    void connected_now();
    void kept(Result<sd_bus_message*> reply);
    void ask(const std::string& mode, Wire& wire);
    void answered(const std::string& mode, std::uint64_t turn, Result<> result);
    void give_up(const std::string& mode, Error error);
    void leave(const std::string& mode, UniqueFd net_ns, Done done);
    void hear_lost(sd_bus_message* message);
    void hear_refused(sd_bus_message* message) const;
    void hear_spent(sd_bus_message* message) const;
    void lost_broker();
    void end_broker(std::string why);
    std::unexpected<Error> nobody(const std::string& mode) const;

    EventLoop& loop_;
    std::string dir_;
    Lost told_lost_;
    Refused told_refused_ = [](const auto&, const auto&) {};
    Spent told_spent_ = [](const auto&, auto) {};
    std::map<std::string, Wire, std::less<>> wires_;
    struct Leaving {
        std::uint64_t turn;
        Done done;
        bool runs;  // the mode, so that nothing may be left
    };
    std::list<Leaving> leaving_;
    struct Shutting {  // before there is a broker
        std::string mode;
        UniqueFd net_ns;
        Done done;
        EventSource patience;
    };
    std::list<Shutting> shutting_;
    // Has the message, or why there is none.
    using Take = std::move_only_function<void(Result<sd_bus_message*>)>;
    void look(const char* member, const std::string& mode, Take take);
    struct Asking {
        std::uint64_t turn;
        Take take;
    };
    std::list<Asking> asking_;
    std::uint64_t turn_ = 0;
    std::uint64_t keep_ = 0;  // the turn of the Keep that counts
    bool ready_ = false;      // the broker knows what runs
    std::optional<BrokerLink> link_;
};

}  // namespace pmos::daemon
