// launch child: a tmpfs that begins with what its target has (tmpcopyup, as Podman asks for it).
#pragma once

namespace pmos::launch {

// Whatever is below the directory `target`, to the root of a mount that is not read-only yet:
// files, directories, links, fifos and sockets, with their rights and, where the container knows
// them, owners; with has_mode not those of the root itself. Of a file that is nothing. -ENOSPC: the
// tmpfs is too small.
int copy_up(int target, int tree, bool has_mode) noexcept;

}  // namespace pmos::launch
