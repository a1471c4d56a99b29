// oci: compiled filters kept from one start to the next. Whatever is wrong with the cache, a filter
// is compiled: it is never why a container does not start.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/oci_config.h"
#include "policy/syscall_filter.h"

namespace pmos::oci {

// Where pmos-oci keeps them: of this boot, for the kernel is in the key.
inline constexpr const char* kFilters = "/run/pmos-oci-filters";
// Of one directory: where there are more, the oldest go.
inline constexpr std::size_t kMaxCachedFilters = 64;

// directory: made where it is missing (its parent is not). It must be ours and writable by nobody
// else, or it is not looked at. raw: as filter_key() has it; "" is right where nobody has the bytes
// of the policy alone, and cheaper than hashing those of a long JSON. unknown: as compile_filter()
// has it, and untouched where nothing was compiled.
Result<policy::BpfProgram> cached_filter(const policy::oci::Seccomp& policy, std::string_view raw,
                                         const std::string& directory,
                                         std::vector<std::string>* unknown = nullptr);

}  // namespace pmos::oci
