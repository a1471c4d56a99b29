// oci: compiled filters kept from one start to the next. Whatever is wrong with the cache, a filter
// is compiled: it is never why a container does not start.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/oci_config.h"
#include "runtime/oci/filter_file.h"

namespace pmos::oci {

// Where pmos-oci keeps them: of this boot, for the kernel is in the key.
inline constexpr const char* kFilters = "/run/pmos-oci-filters";
// Of one directory: where there are more, the oldest go.
inline constexpr std::size_t kMaxCachedFilters = 64;

// text: of the policy, as it is written. What was compiled of it before, on this machine; empty
// where that is not kept, or is anything but what was kept.
std::optional<Filter> kept_filter(std::string_view text, const std::string& directory);

// The same, or compiled and kept. directory: made where it is missing (its parent is not). It must
// be ours and writable by nobody else, or it is not looked at. text "": nothing is kept. unknown:
// as compile_filter() has it, and untouched where nothing was compiled.
Result<Filter> cached_filter(const policy::oci::Seccomp& policy, std::string_view text,
                             const std::string& directory,
                             std::vector<std::string>* unknown = nullptr);

}  // namespace pmos::oci
