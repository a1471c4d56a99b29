// daemon: one denial as the details of an event. Judges nothing.
#include "runtime/daemon/attempt.h"

#include "base/text.h"

namespace pmos::daemon {

Details details_of(const Attempt& attempt, const policy::Explanation& why) {
    Details details{{"layer", attempt.layer},
                    {"what", printable(why.rule.empty() ? attempt.what : why.what)},
                    {"verdict", attempt.verdict},
                    {"why", why.rule.empty() ? "its profile is gone" : why.why},
                    {"at", to_text(why.at)},
                    {"rule", why.rule},
                    {"hint", why.fix}};
    if (attempt.pid != 0)
        details.insert(details.end(), {{"program", printable(attempt.program)},
                                       {"pid", std::to_string(attempt.pid)}});
    if (!why.key.empty()) details.insert(details.end(), {{"key", why.key}, {"value", why.value}});
    return details;
}

}  // namespace pmos::daemon
