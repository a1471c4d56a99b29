// policy: why a security hook of the kernel refused a mode something. Asks no host.
#include <fmt/format.h>

#include "policy/explain.h"
#include "policy/names.h"

namespace pmos::policy {

Explanation explain_refused_capability(const Profile& profile, std::uint32_t capability, bool own) {
    std::string name(name_of(capability_names(), capability));
    if (name.empty()) name = fmt::format("capability {}", capability);
    if (!own)
        return {.rule = "capability-of-the-phone",
                .what = name,
                .why = "what was tried asks for it outside of the mode: no profile grants that",
                .at = profile.where("process/capabilities")};
    if ((profile.process.capabilities.bounding >> capability & 1U) == 0)
        return {.rule = "capability-not-granted",
                .what = name,
                .why = "nothing in process/capabilities names it",
                .at = profile.where("process/capabilities"),
                .fix = fmt::format("add \"{}\" to process/capabilities", name)};
    return {.rule = "capability-not-held",
            .what = name,
            .why =
                "the profile grants it, but this program has given it up, or runs as another "
                "user",
            .at = profile.where("process/capabilities")};
}

Explanation explain_refused_by_landlock(const Profile& profile, LandlockTry tried,
                                        const std::string& what) {
    Explanation why{.rule = "landlock-read-only",
                    .what = what,
                    .why = "it lies in no mount or volume that is writable",
                    .at = profile.where("mounts")};
    switch (tried) {
        case LandlockTry::execute:
            why.rule = "landlock-not-executable";
            why.why = "no directory of landlock/execute holds it";
            why.at = profile.where("landlock/execute");
            why.fix = "add its directory to landlock/execute";
            break;
        case LandlockTry::trace:
            why.rule = "landlock-trace";
            why.why = "a program may look into those only that are confined as it is, or more";
            why.at = profile.where("landlock");
            break;
        case LandlockTry::mount:
            why.rule = "landlock-mount";
            why.why = "who is confined by Landlock changes no mounts";
            why.at = profile.where("landlock");
            break;
        case LandlockTry::read:
        case LandlockTry::write:
        case LandlockTry::change:
            break;
    }
    return why;
}

}  // namespace pmos::policy
