// policy: profiles, site policy and the digests of what they name, as one file. Bytes in, values
// out: reads no file, holds no private key. docs/bundles.md describes the format.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/policy_set.h"

namespace pmos::policy {

inline constexpr std::size_t kMaxBundle = 16U << 20;
inline constexpr std::size_t kMaxBundleEntries = 4096;                 // files and pins together
inline constexpr std::uint64_t kMaxBundleVersion = (1ULL << 53U) - 1;  // exact in any JSON reader

// Something outside the bundle that its profiles name, and must be exactly this.
struct Pin {
    enum class Kind : std::uint8_t { hook, image };  // in the order of the index
    Kind kind{};
    std::string path;  // as the profile names it: below the images or hooks directory, or absolute
    std::uint64_t size = 0;
    std::string sha256;  // hex

    bool operator==(const Pin&) const = default;
};
std::string_view pin_kind_name(Pin::Kind kind) noexcept;

struct BundleFile {
    std::string path;  // from the profiles directory
    std::string bytes;

    bool operator==(const BundleFile&) const = default;
};

struct Bundle {
    std::string name;
    std::uint64_t version = 0;
    std::string made_for = "any";   // a model of phone, as its handset.json says
    std::vector<Pin> pins;          // by kind and path, each once
    std::vector<BundleFile> files;  // by path, each once

    bool operator==(const Bundle&) const = default;
    // "NAME@VERSION": where its files are shown to lie.
    std::string label() const;
};

// What is signed: 64 bytes that name every other byte of the bundle by its SHA-256.
using Statement = std::array<std::byte, 64>;
using Signature = std::array<std::byte, 64>;  // Ed25519
using KeyId = std::array<std::byte, 32>;      // SHA-256 of the public key

inline constexpr std::size_t kBundleHeader = sizeof(Statement) + sizeof(KeyId) + sizeof(Signature);

// A file that may be a bundle, taken apart at fixed offsets and nothing more. Views the bytes.
struct SealedBundle {
    Statement statement{};
    KeyId key{};
    Signature signature{};
    std::string_view payload;

    bool is_signed() const noexcept;
};

bool looks_like_bundle(std::string_view bytes) noexcept;
// `file` is how errors name it. Its size and magic fit; whether it is genuine is another question.
Result<SealedBundle> split_bundle(std::string_view file, std::string_view bytes);
// The payload is the one that the statement names. Only meaningful once the signature is known to
// be good.
Result<> check_payload(std::string_view file, const SealedBundle& sealed);
// Strict: there is one way to write a bundle, and everything else is refused.
Result<Bundle> read_payload(std::string_view file, std::string_view payload);

// Not signed: key and signature are zero. Fails when a name, a path or a size is not one that a
// bundle can carry; sorts.
Result<std::string> write_bundle(Bundle bundle);
std::string attach_signature(std::string bytes, const KeyId& key, const Signature& signature);

// The profiles in it, read as those of a directory are; what they name must be pinned.
PolicySet read_policy(const Bundle& bundle);

}  // namespace pmos::policy
