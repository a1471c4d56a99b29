// network: whom the modes speak with. Only asks the kernel.
#include "policy/destination.h"
#include "runtime/network/conntrack.h"
#include "runtime/network/keeper.h"

namespace pmos::network {

// A mode whose bytes are not counted has its network all the same.
void Keeper::count_traffic(const std::string& mode, const Held& held) {
    const auto counts = phone_.home.inside(held.netns.borrow(), [] { return count_bytes(); });
    if (!counts) deaf_(mode, counts.error().message());
}

Result<TrafficTable> Keeper::connections(const std::string& mode) const {
    const auto at = held_.find(mode);
    if (at == held_.end() || !at->second.stands)
        return fail(Code::not_found, "the mode '" + mode + "' has no network");
    // Nobody can call a mode but through its tunnel.
    Traffic traffic(at->second.plan.tunnel.addresses);
    PMOS_TRY(
        phone_.home.inside(at->second.netns.borrow(), [&] { return add_connections(traffic); }));
    auto table = traffic.table();
    const auto& resolver = at->second.resolver;
    for (auto& row : table.rows)
        if (const auto address = policy::parse_address(row.address); address && resolver)
            row.name = resolver->name_of(*address);
    return table;
}

}  // namespace pmos::network
