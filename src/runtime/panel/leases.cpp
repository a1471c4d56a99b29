// panel: outputs that are not the panel's, lent to the mode in front.
#include "runtime/panel/leases.h"

namespace pmos::panel {

std::unique_ptr<Leases> Leases::make(Screen& screen,
                                     std::function<std::string(const wl_client*)> whose) {
    std::unique_ptr<Leases> made(new Leases(screen, std::move(whose)));
    made->manager_ = wlr_drm_lease_v1_manager_create(screen.display(), screen.backend());
    if (made->manager_ == nullptr) return nullptr;
    made->request_.listen(made->manager_->events.request, [self = made.get()](void* data) {
        self->answer(static_cast<wlr_drm_lease_request_v1*>(data));
    });
    return made;
}

Leases::~Leases() {
    leases_.clear();
    request_.stop();
}

void Leases::offer(wlr_output* output) { wlr_drm_lease_v1_manager_offer_output(manager_, output); }

void Leases::answer(wlr_drm_lease_request_v1* request) {
    const std::string mode = whose_(wl_resource_get_client(request->resource));
    auto* const lease = mode.empty() ? nullptr : wlr_drm_lease_request_v1_grant(request);
    if (lease == nullptr) return wlr_drm_lease_request_v1_reject(request);
    const auto it = leases_.emplace(leases_.end());
    it->mode = mode;
    it->lease = lease;
    // With its client, or by whoever else ends it.
    it->gone.listen(lease->resource, [this, it](void*) {
        leases_.erase(it);
        screen_.darken_spares_soon();
    });
}

void Leases::end(const std::string& mode) {
    for (auto it = leases_.begin(); it != leases_.end();) {
        const auto one = it++;
        if (one->mode != mode) continue;
        auto* const lease = one->lease;
        leases_.erase(one);
        wlr_drm_lease_v1_revoke(lease);
        screen_.darken_spares_soon();
    }
}

}  // namespace pmos::panel
