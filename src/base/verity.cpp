// base: how dm-verity lies on the storage, as veritysetup(8) writes it: a superblock and the levels
// of hashes. Computes no hash: see verity_tree.h.
#include "base/verity.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>

namespace pmos::verity {
namespace {

static_assert(std::endian::native == std::endian::little, "the numbers on the storage are");

// cryptsetup, lib/verity/verity.c.
struct OnDisk {
    char signature[8];
    std::uint32_t version, hash_type;
    std::byte uuid[16];
    char algorithm[32];
    std::uint32_t data_block_size, hash_block_size;
    std::uint64_t data_blocks;
    std::uint16_t salt_size;
    std::byte pad1[6];
    std::byte salt[kMaxSalt];
    std::byte pad2[168];
};
static_assert(sizeof(OnDisk) == kSuperblockSize);

constexpr char kSignature[8] = {'v', 'e', 'r', 'i', 't', 'y', 0, 0};
constexpr char kAlgorithm[] = "sha256";

std::uint64_t blocks_for(std::uint64_t items) { return (items + kPerBlock - 1) / kPerBlock; }

std::unexpected<Error> no_tree(std::string why) {
    return fail(Code::failed, "there is no verity tree to be used", std::move(why),
                "make the image by 'pmosctl image build'");
}

Result<std::uint64_t> size_of(BorrowedFd fd) {
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return fail(errno_error(errno, "cannot look at the image"));
    if (!S_ISREG(st.st_mode)) return fail(Code::usage, "the image is not a regular file");
    return static_cast<std::uint64_t>(st.st_size);
}

}  // namespace

Result<> read_at(BorrowedFd fd, std::span<std::byte> out, std::uint64_t offset) {
    while (!out.empty()) {
        const ssize_t n = ::pread(fd.get(), out.data(), out.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(errno_error(errno, "cannot read the image"));
        if (n == 0)
            return fail(Code::failed, "the image is cut off",
                        fmt::format("it ends at byte {}", offset));
        out = out.subspan(static_cast<std::size_t>(n));
        offset += static_cast<std::uint64_t>(n);
    }
    return {};
}

Result<> write_at(BorrowedFd fd, std::span<const std::byte> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t n =
            ::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(errno_error(errno, "cannot write the verity tree"));
        bytes = bytes.subspan(static_cast<std::size_t>(n));
        offset += static_cast<std::uint64_t>(n);
    }
    return {};
}

std::array<std::byte, kSuperblockSize> write(const Superblock& superblock) {
    OnDisk disk{};
    std::memcpy(disk.signature, kSignature, sizeof kSignature);
    disk.version = disk.hash_type = 1;
    std::memcpy(disk.uuid, superblock.uuid.data(), sizeof disk.uuid);
    std::memcpy(disk.algorithm, kAlgorithm, sizeof kAlgorithm);
    disk.data_block_size = disk.hash_block_size = kBlock;
    disk.data_blocks = superblock.data_blocks;
    disk.salt_size = static_cast<std::uint16_t>(superblock.salt.size());
    std::memcpy(disk.salt, superblock.salt.data(), superblock.salt.size());
    std::array<std::byte, kSuperblockSize> out;
    std::memcpy(out.data(), &disk, sizeof disk);
    return out;
}

Result<Superblock> read(std::span<const std::byte, kSuperblockSize> bytes) {
    OnDisk disk;
    std::memcpy(&disk, bytes.data(), sizeof disk);
    if (std::memcmp(disk.signature, kSignature, sizeof kSignature) != 0)
        return no_tree("no superblock of dm-verity is where it should be");
    const bool known = disk.version == 1 && disk.hash_type == 1 &&
                       std::memcmp(disk.algorithm, kAlgorithm, sizeof kAlgorithm) == 0 &&
                       disk.data_block_size == kBlock && disk.hash_block_size == kBlock;
    if (!known) return no_tree("it is not of hash type 1 with SHA-256 and blocks of 4096 bytes");
    if (disk.salt_size > kMaxSalt || disk.data_blocks == 0 || disk.data_blocks > kMaxBlocks)
        return no_tree("its superblock has impossible numbers");
    Superblock out;
    std::memcpy(out.uuid.data(), disk.uuid, sizeof disk.uuid);
    out.salt.assign(disk.salt, disk.salt + disk.salt_size);
    out.data_blocks = disk.data_blocks;
    return out;
}

std::vector<Level> levels(std::uint64_t data_blocks) {
    std::vector<Level> out;
    for (std::uint64_t items = data_blocks; items > 1;) {
        items = blocks_for(items);
        out.push_back({0, items});
    }
    // On the storage the highest comes first, behind the superblock's own block.
    std::uint64_t offset = kBlock;
    for (auto level = out.rbegin(); level != out.rend(); ++level) {
        level->offset = offset;
        offset += level->blocks * kBlock;
    }
    return out;
}

std::uint64_t tree_size(std::uint64_t data_blocks) {
    std::uint64_t size = kBlock;
    for (const auto& level : levels(data_blocks)) size += level.blocks * kBlock;
    return size;
}

// Linux, fs/erofs/erofs_fs.h: little endian, at byte 1024.
Result<std::uint64_t> erofs_size(BorrowedFd image) {
    constexpr std::uint32_t kMagic = 0xe0f5e1e2;
    constexpr std::size_t kAt = 1024, kBits = 12, kBlocks = 36;
    std::array<std::byte, 128> bytes;
    const auto refused = [](std::string why) {
        return fail(Code::usage, "the image is not an erofs", std::move(why),
                    "make it by 'pmosctl image build'");
    };
    if (!read_at(image, bytes, kAt)) return refused("it is too short");
    std::uint32_t magic = 0, blocks = 0;
    std::memcpy(&magic, bytes.data(), sizeof magic);
    std::memcpy(&blocks, bytes.data() + kBlocks, sizeof blocks);
    if (magic != kMagic) return refused("its superblock is another one");
    if (bytes[kBits] != std::byte{12}) return refused("its blocks are not of 4096 bytes");
    if (blocks == 0 || blocks > kMaxBlocks) return refused("its size is impossible");
    return blocks * kBlock;
}

Result<Image> find(BorrowedFd image, BorrowedFd tree) {
    PMOS_ASSIGN(const std::uint64_t size, erofs_size(image));
    PMOS_ASSIGN(const std::uint64_t image_size, size_of(image));
    if (image_size < size)
        return fail(Code::failed, "the image is cut off",
                    fmt::format("it has {} of {} bytes", image_size, size));
    Image found;
    found.tree_offset = tree ? 0 : size;
    const BorrowedFd file = tree ? tree : image;
    PMOS_ASSIGN(const std::uint64_t file_size, size_of(file));
    if (file_size < found.tree_offset + kSuperblockSize)
        return no_tree("the file ends where it should begin");
    std::array<std::byte, kSuperblockSize> bytes;
    PMOS_TRY(read_at(file, bytes, found.tree_offset));
    PMOS_ASSIGN(found.superblock, read(bytes));
    if (found.superblock.data_blocks * kBlock != size)
        return no_tree(fmt::format("it is of {} blocks, and the image has {}",
                                   found.superblock.data_blocks, size / kBlock));
    if (file_size < found.tree_offset + tree_size(found.superblock.data_blocks))
        return no_tree("it is cut off");
    return found;
}

Result<std::vector<std::byte>> read_top(BorrowedFd image, BorrowedFd tree, const Image& found) {
    std::vector<std::byte> block(kBlock);
    const auto all = levels(found.superblock.data_blocks);
    const BorrowedFd file = tree && !all.empty() ? tree : image;
    PMOS_TRY(read_at(file, block, all.empty() ? 0 : found.tree_offset + all.back().offset));
    return block;
}

std::string to_hex(std::span<const std::byte> bytes) {
    std::string out;
    for (const std::byte byte : bytes) out += fmt::format("{:02x}", static_cast<unsigned>(byte));
    return out;
}

std::vector<std::byte> root_hash_bytes(std::string_view hex) {
    const auto digit = [](char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    std::vector<std::byte> out;
    if (hex.size() != 2 * kDigest) return out;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        const int high = digit(hex[i]), low = digit(hex[i + 1]);
        if (high < 0 || low < 0) return {};
        out.push_back(static_cast<std::byte>(high * 16 + low));
    }
    return out;
}

}  // namespace pmos::verity
