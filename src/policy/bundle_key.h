// policy: who may sign a bundle: Ed25519 public keys as PEM, and the question whether one did.
// Holds no private key, reads no file.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/bundle.h"

namespace pmos::policy {

struct PublicKey {
    std::array<std::byte, 32> bytes{};
    std::string file;  // where it was read, for people
};

KeyId key_id(const PublicKey& key);
// Hex; the first 16 digits are enough for people.
std::string to_hex(std::span<const std::byte> bytes);

// SubjectPublicKeyInfo of Ed25519 (RFC 8410) in PEM, one line of base64: what openssl writes.
Result<PublicKey> read_public_key(const SourceFile& file);
std::string write_public_key(const PublicKey& key);

inline constexpr std::size_t kMaxPublicKeyFile = 4096;
// All of them, or what is wrong with the first that is none. The caller decides how they are read,
// and whom it lets write them.
Result<std::vector<PublicKey>> read_public_keys(const std::vector<std::string>& paths,
                                                const ReadBlock& read);

bool verifies(const PublicKey& key, const Statement& statement, const Signature& signature);

// A bundle that one of the keys has signed, and which. Nothing but sizes is looked at before the
// signature over the exact bytes is known to be good.
struct GenuineBundle {
    Bundle bundle;
    PublicKey key;
};
Result<GenuineBundle> open_bundle(std::string_view file, std::string_view bytes,
                                  std::span<const PublicKey> trusted);

}  // namespace pmos::policy
