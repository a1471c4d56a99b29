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

void Leases::withdraw(wlr_output* output) {
    wlr_drm_lease_v1_manager_withdraw_output(manager_, output);
}

namespace {

// wlroots 0.15 keeps a refused lease as the object's, and ends it with that as one that it never
// was.
void reject(wlr_drm_lease_request_v1* request) {
    wlr_drm_lease_request_v1_reject(request);
    wlr_drm_lease_v1* const lease = request->lease;
    if (lease == nullptr || lease->drm_lease != nullptr) return;
    wl_resource_set_user_data(lease->resource, nullptr);
    wl_list_remove(&lease->link);
    std::free(lease);
    request->lease = nullptr;
}

}  // namespace

void Leases::answer(wlr_drm_lease_request_v1* request) {
    const std::string mode = whose_(wl_resource_get_client(request->resource));
    if (mode.empty()) return reject(request);
    auto* const lease = wlr_drm_lease_request_v1_grant(request);
    if (lease == nullptr) return reject(request);
    const auto it = leases_.emplace(leases_.end());
    it->mode = mode;
    it->lease = lease;
    for (std::size_t i = 0; i < lease->n_connectors; ++i)
        it->outputs.push_back(lease->connectors[i]->output);
    // By its client, by the kernel, or by whoever else ends it: wlroots frees it then.
    it->gone.listen(lease->drm_lease->events.destroy, [this, it](void*) {
        const auto outputs = it->outputs;
        leases_.erase(it);
        screen_.darken_soon(outputs);
    });
}

void Leases::end(const std::string& mode) {
    for (auto it = leases_.begin(); it != leases_.end();) {
        const auto one = it++;
        if (one->mode != mode) continue;
        auto* const lease = one->lease;
        const auto outputs = one->outputs;
        leases_.erase(one);
        wlr_drm_lease_v1_revoke(lease);
        screen_.darken_soon(outputs);
    }
}

}  // namespace pmos::panel
