// base: how dm-verity lies on the storage, as veritysetup(8) writes it: a superblock and the levels
// of hashes. Computes no hash: see verity_tree.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::verity {

// The one form that pmos makes and takes: hash type 1, SHA-256, blocks of 4096 bytes.
inline constexpr std::uint64_t kBlock = 4096;
inline constexpr std::uint64_t kDigest = 32;
inline constexpr std::uint64_t kPerBlock = kBlock / kDigest;
inline constexpr std::size_t kSuperblockSize = 512;
inline constexpr std::size_t kMaxSalt = 256;
inline constexpr std::uint64_t kMaxBlocks = 1ULL << 28;  // an image of a tebibyte

struct Superblock {
    std::array<std::byte, 16> uuid{};
    std::vector<std::byte> salt;
    std::uint64_t data_blocks = 0;
};

std::array<std::byte, kSuperblockSize> write(const Superblock& superblock);
Result<Superblock> read(std::span<const std::byte, kSuperblockSize> bytes);

struct Level {
    std::uint64_t offset = 0;  // in bytes, from where the superblock begins
    std::uint64_t blocks = 0;
};
// The lowest, whose hashes are of the data, comes first. None for data of one block.
std::vector<Level> levels(std::uint64_t data_blocks);
// Superblock and tree, whole blocks.
std::uint64_t tree_size(std::uint64_t data_blocks);

// How large the erofs is that a file begins with.
Result<std::uint64_t> erofs_size(BorrowedFd image);

struct Image {
    Superblock superblock;
    std::uint64_t tree_offset = 0;  // of the superblock, in the file that has the tree
};
// What stands in the files, and agrees with how large they are. Whether any of it is genuine only
// the root hash says. An empty `tree`: it is appended to the image.
Result<Image> find(BorrowedFd image, BorrowedFd tree);

// The block whose hash is the root hash.
Result<std::vector<std::byte>> read_top(BorrowedFd image, BorrowedFd tree, const Image& found);

std::string to_hex(std::span<const std::byte> bytes);
// Empty: it is no root hash, which is 64 hex digits in lower case.
std::vector<std::byte> root_hash_bytes(std::string_view hex);

// To the last byte, or an error.
Result<> read_at(BorrowedFd fd, std::span<std::byte> out, std::uint64_t offset);
Result<> write_at(BorrowedFd fd, std::span<const std::byte> bytes, std::uint64_t offset);

}  // namespace pmos::verity
