// policy: SHA-256 by libgcrypt. A file of its own: a static program that digests nothing goes
// without.
#include "policy/hash.h"

#include <fmt/format.h>
#include <gcrypt.h>

#include <array>

#include "policy/launch_plan.h"

namespace pmos::policy {

std::string sha256_hex(std::span<const std::byte> bytes) {
    // libgcrypt wants its version checked before anything else.
    static const bool kReady = [] { return gcry_check_version(nullptr) != nullptr; }();
    (void)kReady;
    std::array<unsigned char, 32> hash{};
    gcry_md_hash_buffer(GCRY_MD_SHA256, hash.data(), bytes.data(), bytes.size());
    std::string hex;
    for (const unsigned char byte : hash) hex += fmt::format("{:02x}", byte);
    return hex;
}

std::string digest(const LaunchPlan& plan) { return sha256_hex(encode(plan)); }

}  // namespace pmos::policy
