// policy: what a LUKS2 volume can be made of, and how much of a phone deriving its key may take.
// Asks no host.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace pmos::policy {

struct CipherInfo {
    std::string_view spec;    // as profiles write it, and cryptsetup(8)
    std::string_view kernel;  // as the kernel's crypto API names it
    bool long_key = false;    // of 512 bits; all have one of 256
    std::string_view config, module;
};

// The specs of the table, in its order.
inline constexpr std::string_view kCiphers =
    "aes-xts-plain64|serpent-xts-plain64|twofish-xts-plain64|xchacha12,aes-adiantum-plain64|"
    "sm4-xts-plain64";
std::span<const CipherInfo> ciphers();
const CipherInfo* find_cipher(std::string_view spec);  // nullptr: not in the table
// What to do where the kernel lacks one.
std::string cipher_hint(const CipherInfo& cipher);

// Whether a volume's storage is told which blocks are free.
inline constexpr std::string_view kDiscards = "never|trim|online";

// Of a phone with so many bytes free now and so many CPUs at work. The memory is what the profile
// allows, but no more than a quarter of what is free, so that the first unlock after a busy boot
// does not wake the OOM killer. 0: that function takes none.
struct KdfShare {
    std::uint64_t memory = 0;
    std::uint32_t lanes = 0;
};
KdfShare fit_kdf(std::string_view pbkdf, std::uint64_t memory_max, std::uint64_t available,
                 std::uint32_t cpus);

}  // namespace pmos::policy
