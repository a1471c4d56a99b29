// policy: what a LUKS2 volume can be made of, and how much of a phone deriving its key may take.
// Asks no host.
#include "policy/luks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "policy/names.h"

namespace pmos::policy {
namespace {

constexpr std::uint64_t kLeastMemory = 16ULL << 20;
constexpr std::uint32_t kMaxLanes = 4;  // LUKS2 knows no more

constexpr std::array kTable{
    CipherInfo{"aes-xts-plain64", "xts(aes)", true, "CONFIG_CRYPTO_AES", "aes_generic"},
    CipherInfo{"serpent-xts-plain64", "xts(serpent)", true, "CONFIG_CRYPTO_SERPENT",
               "serpent_generic"},
    CipherInfo{"twofish-xts-plain64", "xts(twofish)", true, "CONFIG_CRYPTO_TWOFISH",
               "twofish_generic"},
    CipherInfo{"xchacha12,aes-adiantum-plain64", "adiantum(xchacha12,aes)", false,
               "CONFIG_CRYPTO_ADIANTUM", "adiantum"},
    CipherInfo{"sm4-xts-plain64", "xts(sm4)", false, "CONFIG_CRYPTO_SM4_GENERIC", "sm4_generic"},
};

constexpr bool is_listed() {
    std::string_view rest = kCiphers;
    for (const auto& cipher : kTable) {
        if (rest.substr(0, cipher.spec.size()) != cipher.spec) return false;
        rest.remove_prefix(std::min(rest.size(), cipher.spec.size() + 1));
    }
    return rest.empty();
}
static_assert(is_listed(), "kCiphers lists the table, in its order");

}  // namespace

std::span<const CipherInfo> ciphers() { return kTable; }

const CipherInfo* find_cipher(std::string_view spec) {
    const auto it = std::ranges::find(kTable, spec, &CipherInfo::spec);
    return it == kTable.end() ? nullptr : &*it;
}

std::string cipher_hint(const CipherInfo& cipher) {
    return fmt::format("enable {}{} or load the module {}; or name another cipher", cipher.config,
                       cipher.kernel.starts_with("xts(") ? " and CONFIG_CRYPTO_XTS" : "",
                       cipher.module);
}

KdfShare fit_kdf(std::string_view pbkdf, std::uint64_t memory_max, std::uint64_t available,
                 std::uint32_t cpus) {
    if (!pbkdf.starts_with("argon2")) return {};
    const std::uint64_t share = available / 4;
    const std::uint64_t fitted = memory_max == 0 ? share : std::min(memory_max, share);
    const std::uint64_t floor = memory_max == 0 ? kLeastMemory : std::min(kLeastMemory, memory_max);
    return {std::max(fitted, floor), std::clamp(cpus, 1U, kMaxLanes)};
}

}  // namespace pmos::policy
