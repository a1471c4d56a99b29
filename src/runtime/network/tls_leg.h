// network: the way of a mode's resolver to servers that are asked over TLS (RFC 7858). libunbound
// of Debian knows no TLS: it asks a place in the mode's loopback, and what it says there goes on
// encrypted to the one server whose certificate bears the profile's name. Nothing goes in the
// clear.
#pragma once

#include <netinet/in.h>

#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "policy/network_plan.h"
#include "runtime/event/loop.h"

struct ssl_ctx_st;

namespace pmos::network {

// Of the server with that number in the plan: 127.0.0.1 and on, port 853.
sockaddr_in leg_place(std::size_t server);

class TlsLegs {
  public:
    // trust: a directory of certificates as openssl-rehash(1) leaves it. Both before the process
    // has given up what it takes.
    static Result<std::unique_ptr<TlsLegs>> listen(const policy::NetworkPlan& plan,
                                                   const std::string& trust);
    ~TlsLegs();
    TlsLegs(const TlsLegs&) = delete;
    TlsLegs& operator=(const TlsLegs&) = delete;

    void serve(event::EventLoop& loop);

  private:
    struct Server {
        policy::DnsServer whom;
        UniqueFd listener;
        event::EventSource on_client;
        std::optional<std::chrono::steady_clock::time_point> told;  // why it cannot be asked
    };
    class Leg;
    struct Free {
        void operator()(ssl_ctx_st* context) const noexcept;
    };
    TlsLegs() = default;
    void admit(Server& server);
    void ended(Leg& leg);
    void complain(Server& server, const std::string& why);

    std::unique_ptr<ssl_ctx_st, Free> context_;
    event::EventLoop* loop_ = nullptr;
    std::list<Server> servers_;
    std::list<Leg> legs_;
};

}  // namespace pmos::network
