// peer: a socket on which D-Bus is spoken peer to peer. Who may come in, how many, and how much
// they may say. Knows no interface.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/event/bus_call.h"
#include "runtime/event/loop.h"
#include "runtime/peer/relay.h"

namespace pmos::peer {

// Root and nobody else.
inline bool admits_root(const ucred& who) { return who.uid == 0; }

// What names there are on such a bus, as one client sees it.
struct BusNames {
    std::vector<const char*> served;  // of who it speaks to
    // A client may have names, of which nobody else learns; none: it asks in vain.
    std::optional<std::set<std::string, std::less<>>> own;
};

class Face {
  public:
    struct Peer {
        Face* face = nullptr;
        event::BusPtr bus;
        std::unique_ptr<Relay> relay;
        std::string name;  // unique on this face
        BusNames names;
        bool ready = false;
        bool spoke = false;
    };
    struct Rules {
        mode_t mode = 0600;
        std::size_t most_peers = 16;
        bool guarded = false;  // peers are a mode's
        bool takes_descriptors = false;
        std::uint32_t most_bytes = FrameGuard::kMostBytes;  // of a message, where it is guarded
        // Whether this process may come in.
        std::function<bool(const ucred&)> admits;
        // Puts the objects on a new connection; negative: it cannot be.
        std::function<int(Peer&)> prepare;
        std::function<void(const Peer&)> gone = [](const Peer&) {};
    };

    static Result<std::unique_ptr<Face>> make(event::EventLoop& loop, std::string path,
                                              Rules rules);
    ~Face();
    Face(const Face&) = delete;
    Face& operator=(const Face&) = delete;

    std::list<Peer>& peers() noexcept { return peers_; }
    // To each of them that has said something: a client of sd-bus gives up where a signal comes
    // before the answer to its Hello.
    template <class F>
    void each(F f) {
        for (auto& peer : peers_)
            if (peer.ready && peer.spoke) {
                f(peer.bus.get());
                drop_if_deaf(peer);
            }
    }

  private:
    Face(event::EventLoop& loop, std::string path, Rules rules)
        : loop_(loop), path_(std::move(path)), rules_(std::move(rules)) {}
    Result<> listen();
    void accept();
    bool start(Peer& peer, UniqueFd client);
    void drop_soon(Peer& peer);
    void drop_if_deaf(Peer& peer);
    void process_soon(Peer& peer);
    static int on_connected(sd_bus_message* message, void* userdata, sd_bus_error* error);
    static int on_disconnected(sd_bus_message* message, void* userdata, sd_bus_error* error);
    static int on_message(sd_bus_message* message, void* userdata, sd_bus_error* error);

    event::EventLoop& loop_;
    std::string path_;
    Rules rules_;
    UniqueFd listener_;
    event::EventSource incoming_;
    std::list<Peer> peers_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    std::uint64_t next_ = 1;
};

}  // namespace pmos::peer
