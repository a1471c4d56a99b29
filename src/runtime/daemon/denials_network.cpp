// daemon: what the rules of a mode's network refused, as denials. See denials.h.
#include <fmt/format.h>

#include "runtime/daemon/attempt.h"
#include "runtime/daemon/denials.h"
#include "runtime/daemon/mode.h"
#include "runtime/network/protocol.h"

namespace pmos::daemon {

void Denials::take(const Mode& mode, const NetworkRefusal& refusal) {
    if (refusal.untold) {
        lost_ += refusal.times;
        const auto explain = [] {
            return Details{{"why", "more connections were refused than are told one by one"}};
        };
        return tell("denials-lost", mode.name, "denials-lost network", explain, refusal.times);
    }
    const Denied denied = about_(mode);
    const auto& what = refusal.what;
    const auto key =
        fmt::format("network {} {} {} {}", what.destination, what.name, what.reason, refusal.uid);
    const auto explain = [&] {
        policy::Explanation why;
        if (denied.profile != nullptr)
            why = policy::explain_refused_connection(*denied.profile, what);
        const auto& target = what.destination.empty() ? what.name : what.destination;
        auto details = details_of({"network", target, "refused", "", 0}, why);
        if (!what.name.empty()) details.emplace_back("name", what.name);
        if (refusal.uid != network::kNobody)
            details.emplace_back("uid", std::to_string(refusal.uid));
        return details;
    };
    tell(denied, key, explain, refusal.times);
}

}  // namespace pmos::daemon
