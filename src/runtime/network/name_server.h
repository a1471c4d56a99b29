// network: the resolver of one mode, in a process of its own: it hears what the mode asks, asks
// libunbound, and answers when what it found is reached. Trusts neither side.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>

#include "policy/connection.h"
#include "policy/network_plan.h"
#include "runtime/event/loop.h"
#include "runtime/network/dns_line.h"
#include "runtime/network/dns_message.h"

struct ub_ctx;
struct ub_result;

namespace pmos::network {

// libunbound, with a cache that is this mode's alone.
class Lookup {
  public:
    using Found = std::move_only_function<void(DnsView message)>;  // empty: it failed
    static Result<std::unique_ptr<Lookup>> make(event::EventLoop& loop,
                                                const policy::NetworkPlan& plan);
    ~Lookup();
    Lookup(const Lookup&) = delete;
    Lookup& operator=(const Lookup&) = delete;
    void ask(const std::string& name, std::uint16_t type, Found found);

  private:
    struct Free {
        void operator()(ub_ctx* context) const noexcept;
    };
    explicit Lookup(ub_ctx* context) : context_(context) {}
    static void came(void* found, int error, ub_result* result);
    std::unique_ptr<ub_ctx, Free> context_;
    event::EventSource readable_;
};

class NameServer {
  public:
    // Both sockets are bound to the mode's loopback; line leads to pmos-net.
    struct Sockets {
        UniqueFd datagrams, listener, line;
    };
    static Result<std::unique_ptr<NameServer>> make(event::EventLoop& loop,
                                                    policy::NetworkPlan plan, Sockets sockets);
    ~NameServer();
    NameServer(const NameServer&) = delete;
    NameServer& operator=(const NameServer&) = delete;

  private:
    using Reply = std::move_only_function<void(const DnsBytes& answer)>;
    struct Asked {
        DnsQuestion question;
        std::size_t most = 0;  // bytes of the answer
        Reply reply;
        DnsBytes found;
    };
    struct Client;  // of TCP
    NameServer(event::EventLoop& loop, policy::NetworkPlan plan, Sockets sockets);
    void hear_datagrams();
    void admit_client();
    void hear_client(Client& client);
    void take(Client& client);
    void drop(Client& client);
    void ask(DnsView message, bool datagram, Reply reply);
    void found(std::uint32_t number, DnsView message);
    void refuse(Asked asked, const std::string& name);
    void hear_line();
    bool tell(const DnsReport& report);

    event::EventLoop& loop_;
    policy::NetworkPlan plan_;
    policy::NameRules rules_;
    Sockets sockets_;
    std::map<std::uint32_t, Asked> asked_;
    std::uint32_t next_ = 1;
    std::list<Client> clients_;
    event::EventSource on_datagram_, on_client_, on_line_;
    std::unique_ptr<Lookup> lookup_;  // before what waits for it
};

}  // namespace pmos::network
