// panel: how much of the panel's memory a mode's programs may take.
#include "runtime/panel/client_guard.h"

namespace pmos::panel {

ClientGuard::ClientGuard(wl_client* client, Share& share, std::function<void()> gone)
    : client_(client), share_(share) {
    born_.listen_to_resources(client, [this](void* data) { add(static_cast<wl_resource*>(data)); });
    // Its objects are destroyed after this is told.
    gone_.listen(client, [this, gone = std::move(gone)](void*) {
        gone_.stop();
        born_.stop();
        share_.objects -= objects_;
        all_.clear();
        gone();
    });
}

void ClientGuard::add(wl_resource* resource) {
    ++objects_;
    ++share_.objects;
    const auto it = all_.emplace(all_.end());
    it->gone.listen(resource, [this, it](void*) {
        it->gone.stop();
        --objects_;
        --share_.objects;
        all_.erase(it);
    });
    if (objects_ > kMostObjects || share_.objects > Share::kMostObjects)
        wl_client_post_no_memory(client_);
}

}  // namespace pmos::panel
