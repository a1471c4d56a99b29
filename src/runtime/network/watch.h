// network: what anybody changes in a namespace's links and tables. Tells; does nothing about it.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "runtime/event/loop.h"
#include "runtime/network/inside.h"
#include "runtime/network/netlink.h"

namespace pmos::network {

// One transaction of somebody else's.
struct Changed {
    std::set<std::string> tables;  // "inet pmos"
    std::string who;               // "nft (4711)"
};

class Watch {
  public:
    struct Told {
        std::function<void()> links;  // some link is another, or one is gone
        std::function<void(const Changed&)> tables;
        std::function<void()> missed;         // there was more than could be heard of
        std::function<void()> spent = [] {};  // a quota, by what went through
    };
    // Of the namespace that the process is in.
    static Result<std::unique_ptr<Watch>> make(event::EventLoop& loop, Told told);
    ~Watch() { *alive_ = false; }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

  private:
    Watch(Netlink links, Netlink tables, Told told)
        : links_(std::move(links)), tables_(std::move(tables)), told_(std::move(told)) {}
    void hear_links();
    void hear_tables();
    Netlink links_, tables_;
    Told told_;
    Changed now_;  // of a transaction whose end has not been heard
    event::EventSource on_links_, on_tables_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pmos::network
