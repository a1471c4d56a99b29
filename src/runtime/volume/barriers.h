// volume: whether a mounted file system has its device flush what it was given. Never leaves a
// mount behind.
#pragma once

#include <string>

#include "base/result.h"

namespace pmos::volume {

// Of the ext4 on the mapping, wherever it is mounted. Off only while the mapping is suspended:
// sync(2) of anybody, in any mode, has every file system flush its device, and would wait there for
// the mapping to go on.
Result<void> set_barriers(const std::string& dm_name, bool on);

}  // namespace pmos::volume
