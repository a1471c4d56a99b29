// launch child: a tmpfs that begins with what its target has (tmpcopyup, as Podman asks for it).
#pragma once

namespace pmos::launch {

// Which of the target's own the root of the tmpfs gets: what a mount's options say it keeps.
struct CopiedRoot {
    bool mode = true, owner = true;
};

// Whatever is below the directory `target`, to the root of a mount that is not read-only yet:
// files, directories, links, fifos and sockets, with their rights and, where they can be given,
// owners. Of a file that is nothing. -ENOSPC: the tmpfs is too small.
int copy_up(int target, int tree, CopiedRoot root) noexcept;

}  // namespace pmos::launch
