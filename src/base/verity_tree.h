// base: the hashes of dm-verity: makes a tree over an image, and holds an image against one, by the
// same file descriptors for whoever has no kernel at hand. Needs no rights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/verity.h"

namespace pmos::verity {

// Writes superblock and tree into `out` at `offset`; the root hash, in hex.
Result<std::string> make_tree(BorrowedFd image, const Superblock& superblock, BorrowedFd out,
                              std::uint64_t offset);

struct Damage {
    bool in_tree = false;
    std::uint64_t block = 0;  // of the image, or of the tree's file
};
struct Checked {
    std::string root_hash;      // of what stands at the top of the tree
    std::uint64_t damaged = 0;  // blocks, as far as they can be told
    std::vector<Damage> first;  // of them, at most 16
};
// The whole image against its tree.
Result<Checked> check_tree(BorrowedFd image, BorrowedFd tree, const Image& found);

}  // namespace pmos::verity
