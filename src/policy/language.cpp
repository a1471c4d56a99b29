// policy: the language of profiles, put together from its sections. Reads nothing.
#include "policy/language.h"

#include <array>

#include "policy/language_rows.h"

namespace pmos::policy {
namespace {

constexpr std::array kHeadKeys{
    kSchemaRow,
    kVersionRow,
    KeySpec{.path = "mode",
            .types = kStr,
            .doc = "Name of the mode. A block has none.",
            .format = Format::mode_name,
            .required = true,
            .example = "\"secure\""},
    KeySpec{.path = "extends",
            .types = kArr,
            .doc = "Blocks this profile builds on, from the profiles directory; later ones win.",
            .max = 16,
            .example = "[\"blocks/hardened.json\"]"},
    KeySpec{.path = "extends/[]", .types = kStr, .doc = "Path of a block, inside that directory."},
};

// In the order in which the reference shows them.
std::vector<KeySpec> all_keys() {
    std::vector<KeySpec> keys(kHeadKeys.begin(), kHeadKeys.end());
    for (const KeySpecs section :
         {storage_keys(), process_keys(), mount_keys(), seccomp_keys(), device_keys(),
          display_keys(), audio_keys(), modem_keys(), network_keys(), resource_keys(),
          session_keys(), hook_keys(), lsm_keys(), denial_keys()})
        keys.insert(keys.end(), section.begin(), section.end());
    return keys;
}

}  // namespace

const Language& profile_language() {
    static const std::vector<KeySpec> kKeys = all_keys();
    static const Language kLanguage{"pmos profile", kKeys};
    return kLanguage;
}

}  // namespace pmos::policy
