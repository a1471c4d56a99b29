// volume: what is on a block device, and a new file system on it. Runs mkfs and e2fsck with nothing
// inherited; never sees a key.
#pragma once

#include <string>

#include "base/result.h"
#include "runtime/volume/channel.h"

namespace pmos::volume {

// "crypto_LUKS", "ext4", "dos", ...; "" when the device carries nothing that blkid knows.
Result<std::string> find_signature(const std::string& device);

// mkfs.ext4 on device; killed when the request is cancelled. Synced when it returns.
Result<void> make_ext4(const std::string& device, Channel& channel);

// Of a device that nobody has mounted: mends what is safe without asking; refuses the rest.
Result<void> check_ext4(const std::string& device, Channel& channel);
// mount_detached(), of a device that nobody has mounted only after that.
Result<UniqueFd> mount_checked(const std::string& device, Channel& channel);

}  // namespace pmos::volume
