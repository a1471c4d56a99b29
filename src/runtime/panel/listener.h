// panel: a wl_listener as a value. Its end, and the end of who is listened to, both end it.
#pragma once

#include <functional>
#include <utility>

#include "runtime/panel/wlr.h"

namespace pmos::panel {

class Listener {
  public:
    Listener() = default;
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() { stop(); }

    // callback may destroy who listens, as the last thing that it does.
    void listen(wl_signal& signal, std::function<void(void*)> callback) {
        begin(std::move(callback));
        wl_signal_add(&signal, &hook_.listener);
    }
    void listen(wl_client* client, std::function<void(void*)> callback) {
        begin(std::move(callback));
        wl_client_add_destroy_listener(client, &hook_.listener);
    }
    // Of each resource that the client gets.
    void listen_to_resources(wl_client* client, std::function<void(void*)> callback) {
        begin(std::move(callback));
        wl_client_add_resource_created_listener(client, &hook_.listener);
    }
    void listen(wl_resource* resource, std::function<void(void*)> callback) {
        begin(std::move(callback));
        wl_resource_add_destroy_listener(resource, &hook_.listener);
    }
    void stop() {
        if (std::exchange(listens_, false)) wl_list_remove(&hook_.listener.link);
    }

  private:
    struct Hook {
        wl_listener listener{};
        Listener* self = nullptr;
    };
    void begin(std::function<void(void*)> callback) {
        stop();
        callback_ = std::move(callback);
        hook_.self = this;
        hook_.listener.notify = [](wl_listener* listener, void* data) {
            const auto call = reinterpret_cast<Hook*>(listener)->self->callback_;
            call(data);
        };
        listens_ = true;
    }
    Hook hook_;  // the listener is its first member
    std::function<void(void*)> callback_;
    bool listens_ = false;
};

}  // namespace pmos::panel
