// panel: outputs that are not the panel's, lent to the mode in front (wp_drm_lease_device_v1). The
// panel's own, with the strip, is never lent.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "runtime/panel/listener.h"
#include "runtime/panel/screen.h"

namespace pmos::panel {

class Leases {
  public:
    // whose: the mode of a client that may have one now; "": none of it. nullptr: no DRM device
    // here.
    static std::unique_ptr<Leases> make(Screen& screen,
                                        std::function<std::string(const wl_client*)> whose);
    ~Leases();
    Leases(const Leases&) = delete;
    Leases& operator=(const Leases&) = delete;

    void offer(wlr_output* output);
    // It is the panel's own now, whoever had it.
    void withdraw(wlr_output* output);
    // When this returns the mode's descriptors do nothing any more; what it left on an output is
    // drawn over when the output is back.
    void end(const std::string& mode);

  private:
    struct Lease {
        std::string mode;
        wlr_drm_lease_v1* lease;
        std::vector<wlr_output*> outputs;
        Listener gone;
    };
    Leases(Screen& screen, std::function<std::string(const wl_client*)> whose)
        : screen_(screen), whose_(std::move(whose)) {}
    void answer(wlr_drm_lease_request_v1* request);

    Screen& screen_;
    std::function<std::string(const wl_client*)> whose_;
    wlr_drm_lease_v1_manager* manager_ = nullptr;
    std::list<Lease> leases_;
    Listener request_, display_gone_;
};

}  // namespace pmos::panel
