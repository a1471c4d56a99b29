// volume: what libcryptsetup cannot do with a mapping that is suspended, by the device mapper's own
// calls. Never sees a key.
#pragma once

#include <string>

#include "base/result.h"

namespace pmos::volume::dm {

// Of a suspended dm-crypt mapping: its key is overwritten, be it that another had begun with it.
Result<void> wipe_key(const std::string& dm_name);

// False also of one that is not there.
bool is_suspended(const std::string& dm_name);
// With the table that it has, or with one that was loaded.
Result<void> resume(const std::string& dm_name);
// A table that was loaded and has not come into use.
Result<void> forget_loaded(const std::string& dm_name);

// The mapping answers every access with an error from now on, and goes on: whoever hangs in it is
// let go, a file system on it can be unmounted, and its key and what was below are free.
Result<void> replace_by_error(const std::string& dm_name);

// Whether that was done to it.
bool is_error(const std::string& dm_name);

// What a worker has left that was killed between making the mapping of a volume and having it in
// use: it takes the name, and one that waits for its use has the key.
Result<void> remove_half_made(const std::string& dm_name);

// The one below a mapping with integrity, which holds the tags.
std::string integrity_name(const std::string& dm_name);
// Where it was left without the other.
Result<void> remove_integrity(const std::string& dm_name);

// Removes a mapping, and waits for its node to be gone. Tries again while somebody lets go of it.
Result<void> remove(const std::string& dm_name);

}  // namespace pmos::volume::dm
