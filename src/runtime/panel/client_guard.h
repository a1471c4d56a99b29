// panel: how much of the panel's memory a mode's programs may take. Knows no interface.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>

#include "runtime/panel/listener.h"

namespace pmos::panel {

// Of all objects of all clients of one mode.
struct Share {
    static constexpr std::size_t kMostClients = 64, kMostObjects = 8192;
    std::size_t objects = 0;
};

// One client, for as long as it is connected. One that asks for too much is ended.
class ClientGuard {
  public:
    static constexpr std::size_t kMostObjects = 4096;

    // gone: the guard may be destroyed then.
    ClientGuard(wl_client* client, Share& share, std::function<void()> gone);
    ClientGuard(const ClientGuard&) = delete;
    ClientGuard& operator=(const ClientGuard&) = delete;
    wl_client* client() const noexcept { return client_; }

  private:
    void add(wl_resource* resource);

    wl_client* client_;
    Share& share_;
    std::size_t objects_ = 0;
    struct Object {
        Listener gone;
    };
    std::list<Object> all_;
    Listener born_, gone_;
};

}  // namespace pmos::panel
