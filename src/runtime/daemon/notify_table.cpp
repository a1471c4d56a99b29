// daemon: what the notifications' broker has to know of the modes. Pure.
#include "runtime/daemon/notify_table.h"

namespace pmos::daemon {
namespace {

notify::Telling telling_of(policy::Notifications tells) {
    using enum policy::Notifications;
    return tells == full    ? notify::Telling::full
           : tells == count ? notify::Telling::count
                            : notify::Telling::nothing;
}

}  // namespace

notify::Table notify_table(const Modes& modes) {
    notify::Table table;
    for (const auto& [name, mode] : modes) {
        if (!mode->alive()) continue;
        const auto& plan = mode->running->plan;
        if (!plan || !plan->session.has_session_bus() || plan->uid_map.empty()) continue;
        const auto& session = plan->session;
        const auto& ids = plan->uid_map.front();
        const bool locked = mode->shut();
        table.modes.push_back({.name = name,
                               .run = mode->running->started_at,
                               .id_start = ids.outside,
                               .id_count = ids.count,
                               .notifies = session.notifications != policy::Notifications::off,
                               .telling = telling_of(session.notifications),
                               .keeps_awake = session.idle_inhibit,
                               .foreground = mode->foreground && !locked,
                               .locked = locked});
    }
    return table;
}

}  // namespace pmos::daemon
