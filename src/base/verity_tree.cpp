// base: the hashes of dm-verity: makes a tree over an image, and holds an image against one, by the
// same file descriptors for whoever has no kernel at hand. Needs no rights.
#include "base/verity_tree.h"

#include <fcntl.h>
#include <sodium.h>

#include <algorithm>
#include <cstring>

namespace pmos::verity {
namespace {

using Bytes = std::vector<std::byte>;
using Digest = std::array<std::byte, kDigest>;
constexpr std::uint64_t kAtOnce = 256;  // blocks: one read of a mebibyte

// Of hash type 1: the salt comes first.
class Hasher {
  public:
    explicit Hasher(const Bytes& salt) {
        crypto_hash_sha256_init(&salted_);
        add(salted_, salt);
    }
    Digest of(std::span<const std::byte> block) const {
        crypto_hash_sha256_state state = salted_;
        add(state, block);
        Digest out;
        crypto_hash_sha256_final(&state, reinterpret_cast<unsigned char*>(out.data()));
        return out;
    }

  private:
    static void add(crypto_hash_sha256_state& state, std::span<const std::byte> bytes) {
        crypto_hash_sha256_update(&state, reinterpret_cast<const unsigned char*>(bytes.data()),
                                  bytes.size());
    }
    crypto_hash_sha256_state salted_;
};

// Calls each(number, digest) for every block of the image.
template <class Each>
Result<> hash_image(BorrowedFd image, const Superblock& superblock, const Hasher& hasher,
                    Each each) {
    ::posix_fadvise(image.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    Bytes chunk(kAtOnce * kBlock);
    for (std::uint64_t at = 0; at < superblock.data_blocks; at += kAtOnce) {
        const auto count = std::min(kAtOnce, superblock.data_blocks - at);
        const auto part = std::span(chunk).first(count * kBlock);
        PMOS_TRY(read_at(image, part, at * kBlock));
        for (std::uint64_t i = 0; i < count; ++i)
            each(at + i, hasher.of(part.subspan(i * kBlock, kBlock)));
    }
    return {};
}

void put(Bytes& level, std::uint64_t index, const Digest& digest) {
    std::memcpy(level.data() + index * kDigest, digest.data(), kDigest);
}

bool is(const Bytes& level, std::uint64_t index, const Digest& digest) {
    return std::memcmp(level.data() + index * kDigest, digest.data(), kDigest) == 0;
}

std::span<const std::byte> block(const Bytes& level, std::uint64_t index) {
    return std::span(level).subspan(index * kBlock, kBlock);
}

}  // namespace

Result<std::string> make_tree(BorrowedFd image, const Superblock& superblock, BorrowedFd out,
                              std::uint64_t offset) {
    const Hasher hasher(superblock.salt);
    const auto all = levels(superblock.data_blocks);
    Bytes below(all.empty() ? kBlock : all.front().blocks * kBlock);
    PMOS_TRY(hash_image(image, superblock, hasher, [&](std::uint64_t number, const Digest& digest) {
        put(below, number, digest);
    }));
    Bytes first(kBlock);
    std::ranges::copy(write(superblock), first.begin());
    PMOS_TRY(write_at(out, first, offset));
    if (all.empty()) return to_hex(std::span(below).first(kDigest));
    for (std::size_t i = 0;; ++i) {
        PMOS_TRY(write_at(out, below, offset + all[i].offset));
        if (i + 1 == all.size()) return to_hex(hasher.of(below));
        Bytes above(all[i + 1].blocks * kBlock);
        for (std::uint64_t j = 0; j < all[i].blocks; ++j) put(above, j, hasher.of(block(below, j)));
        below = std::move(above);
    }
}

// From the top down, as the kernel reads it. Below a damaged block of the tree all blocks look
// damaged: nothing genuine says otherwise.
Result<Checked> check_tree(BorrowedFd image, BorrowedFd tree, const Image& found) {
    Checked out;
    const auto note = [&](bool in_tree, std::uint64_t number) {
        constexpr std::size_t kShown = 16;
        if (out.damaged++ < kShown) out.first.push_back({in_tree, number});
    };
    const Hasher hasher(found.superblock.salt);
    const BorrowedFd file = tree ? tree : image;
    const auto all = levels(found.superblock.data_blocks);
    Bytes above(kBlock);
    for (std::size_t i = all.size(); i-- > 0;) {
        Bytes level(all[i].blocks * kBlock);
        PMOS_TRY(read_at(file, level, found.tree_offset + all[i].offset));
        if (i + 1 == all.size()) put(above, 0, hasher.of(level));
        if (out.root_hash.empty()) out.root_hash = to_hex(std::span(above).first(kDigest));
        for (std::uint64_t j = 0; j < all[i].blocks; ++j)
            if (!is(above, j, hasher.of(block(level, j))))
                note(true, (found.tree_offset + all[i].offset) / kBlock + j);
        above = std::move(level);
    }
    PMOS_TRY(hash_image(image, found.superblock, hasher,
                        [&](std::uint64_t number, const Digest& digest) {
                            if (all.empty())
                                out.root_hash = to_hex(digest);
                            else if (!is(above, number, digest))
                                note(false, number);
                        }));
    return out;
}

}  // namespace pmos::verity
