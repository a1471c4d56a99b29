// volume: how much of the file system on a device is in use. Only looks.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::volume {

// Whether somebody has the device mounted, in whatever mount namespace.
bool is_mounted(const std::string& device);
// The ext4 on the device as a mount that is attached nowhere and ends with the descriptor. Where it
// is mounted already this is the same file system once more, so that its mode's own mounts are
// neither needed nor trusted.
Result<UniqueFd> mount_detached(const std::string& device);

Result<std::uint64_t> size_of_device(const std::string& path);
// Code::failed: it is shorter than the file system on it, which has lost its end. Of what is no
// ext4 nothing is said.
Result<void> check_length(const std::string& device);
Result<std::uint64_t> used_bytes(const std::string& device);

// Of an ext4 superblock (the 1024 bytes at 1024), as ext4.h of the kernel has it.
struct Superblock {
    std::uint64_t blocks = 0, free = 0;
    std::uint32_t block_size = 0;
};
Result<Superblock> parse_superblock(const unsigned char (&raw)[1024]);

}  // namespace pmos::volume
