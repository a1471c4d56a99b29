// policy: the index at the head of a bundle's payload: lines of words, one way to write each.
// Internal to the bundle; reads no file.
#pragma once

#include <string>

#include "policy/bundle.h"

namespace pmos::policy {

// Names, versions, paths and digests that an index can say; order and number too.
Result<> check_names(const Bundle& bundle);
// Of a bundle that check_names found faultless.
std::string write_index(const Bundle& bundle);

}  // namespace pmos::policy
