// volume: what is in a volume beside the data of its mode, which never sees it: what pmosd was told
// of the mode and no unencrypted storage may have, and the key of its tunnel. Holds nothing that
// opens the volume.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/volume/channel.h"

namespace pmos::volume {

// On a new file system: the mode's part and the private one. All room that the latter needs is
// taken at once, so that a mode that fills its volume hides nothing.
Result<void> make_parts(const std::string& device);

// The directory, of an open volume; mounted until the descriptor and what is opened below it are
// closed.
Result<UniqueFd> open_private_part(const Request& request, Channel& channel);

// The log of denials: lines in a file of this size, the rest of it NULs.
inline constexpr std::size_t kLogSize = 512 << 10;
// The file's bytes with `lines` behind those it has; of more than fit, the younger half.
std::string with_lines(std::string_view log, std::string_view lines);
// Without the NULs.
std::string_view lines_of(std::string_view log);

}  // namespace pmos::volume
