// volume: the metadata in a file that holds a header and nothing else. Reads what libcryptsetup has
// written there, and writes what it will read.
#include "runtime/volume/metadata.h"

#include <endian.h>
#include <fmt/core.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "runtime/volume/write_at.h"

namespace pmos::volume {
namespace {

// The binary part as the LUKS2 On-Disk Format Specification, 1.0, 2.1 has it; numbers are big
// endian, the rest of the 4096 bytes is zero, and the JSON area follows.
struct [[gnu::packed]] Binary {
    char magic[6];
    std::uint16_t version;
    std::uint64_t size;  // with the JSON area
    std::uint64_t number;
    char label[48], checksum_kind[32];
    unsigned char salt[64];
    char uuid[40], subsystem[48];
    std::uint64_t offset;
    char padding[184];
    unsigned char checksum[64];
    char rest[7 * 512];
};
static_assert(sizeof(Binary) == 4096);

constexpr std::array kFirst{'L', 'U', 'K', 'S', '\xba', '\xbe'},
    kSecond{'S', 'K', 'U', 'L', '\xba', '\xbe'};
constexpr std::uint64_t kMaxCopy = 4ULL << 20;
constexpr const char* kFault = "cannot write the header's copy";

Result<Binary> read_first(BorrowedFd header) {
    Binary binary{};
    const bool whole = ::pread(header.get(), &binary, sizeof binary, 0) == sizeof binary;
    const auto size = be64toh(binary.size);
    if (whole && std::ranges::equal(binary.magic, kFirst) && be16toh(binary.version) == 2 &&
        std::strncmp(binary.checksum_kind, "sha256", sizeof binary.checksum_kind) == 0 &&
        size > sizeof binary && size <= kMaxCopy)
        return binary;
    return fail(Code::failed, "the volume's header cannot be changed",
                "its metadata is not of a kind that is known here");
}

Result<void> write_copy(BorrowedFd file, Binary binary, const std::vector<char>& area,
                        std::span<const char> magic, std::uint64_t offset) {
    std::ranges::copy(magic, binary.magic);
    binary.offset = htobe64(offset);
    ::randombytes_buf(binary.salt, sizeof binary.salt);
    std::memset(binary.checksum, 0, sizeof binary.checksum);
    std::vector<char> copy(sizeof binary);
    std::memcpy(copy.data(), &binary, sizeof binary);
    copy.insert(copy.end(), area.begin(), area.end());
    auto* checksum = reinterpret_cast<unsigned char*>(copy.data()) + offsetof(Binary, checksum);
    std::array<unsigned char, crypto_hash_sha256_BYTES> hash{};
    ::crypto_hash_sha256(hash.data(), reinterpret_cast<const unsigned char*>(copy.data()),
                         copy.size());
    std::ranges::copy(hash, checksum);
    return write_at(file, std::as_bytes(std::span(copy)), offset, kFault);
}

}  // namespace

Result<void> replace_metadata(BorrowedFd header, const std::string& json) {
    if (::sodium_init() < 0) return fail(Code::failed, "libsodium cannot be used");
    PMOS_ASSIGN(Binary binary, read_first(header));
    const std::uint64_t size = be64toh(binary.size);
    std::vector<char> area(size - sizeof binary);
    if (json.size() >= area.size())
        return fail(Code::no_space, "the volume's header has no room for its metadata");
    std::ranges::copy(json, area.begin());
    binary.number = htobe64(be64toh(binary.number) + 1);
    PMOS_TRY(write_copy(header, binary, area, kFirst, 0));
    return write_copy(header, binary, area, kSecond, size);
}

Result<void> wipe_area(BorrowedFd header, Area area) {
    struct stat st {};
    if (::fstat(header.get(), &st) != 0)
        return fail(errno_error(errno, "cannot look at the header's copy"));
    const auto all = static_cast<std::uint64_t>(st.st_size);
    if (area.offset > all || area.length > all - area.offset)
        return fail(Code::failed, "the volume's header cannot be changed",
                    "a keyslot lies behind its end");
    const std::vector<std::byte> zeros(area.length);
    return write_at(header, zeros, area.offset, kFault);
}

}  // namespace pmos::volume
