// daemon: what a re-encryption that did not end by itself means for its mode. Never sees a key.
#include "runtime/daemon/supervisor.h"
#include "runtime/daemon/volumes.h"

namespace pmos::daemon {

// Whoever hangs in what a killed worker has left is let go before the mode is ended. What a living
// one uses is gone when that was stopped.
void Supervisor::let_go(Mode& mode, Done done) {
    if (cut_short_of(mode).empty()) return done({});
    works_.stop(mode.name, [this, &mode, done = std::move(done)](Result<>) mutable {
        each_volume(ctx_, mode, cut_short_of(mode), volume::Verb::cut_off, std::move(done));
    });
}

// The mapping cannot be mended while it is in use, and part of it may not be readable: the mode is
// closed, and the next opening mends it.
void Supervisor::after_reencryption(Mode& mode, const Result<Details>& told) {
    if (told) return;
    if (!cut_short_of(mode).empty())
        return lock_due(mode, true, "a volume's re-encryption was cut short");
    refresh_volume_state(mode);
    clear_half_made(ctx_, mode);
}

// A worker of the pmosd before this one may have ended in order meanwhile: then all is well.
void Supervisor::finish_reencryption(Mode& mode) {
    if (cut_short_of(mode).empty()) return;
    enqueue(
        mode, "lock-finished",
        [this, &mode](Done done) {
            let_go(mode, [this, &mode, done = std::move(done)](Result<> let) mutable {
                if (cut_short_of(mode).empty()) return done(std::move(let));
                evict_job(mode, std::move(done));
            });
        },
        [](Result<>) {});
}

}  // namespace pmos::daemon
