// volume: libcryptsetup as values and Results: the keyslots and tokens of a volume that exists.
// Never logs.
#include <fmt/core.h>

#include <cerrno>

#include "runtime/volume/crypt_context.h"

namespace pmos::volume {

Result<CryptDevice::Unsealed> CryptDevice::unseal(std::span<const std::byte> secret, int keyslot) {
    auto size = static_cast<std::size_t>(::crypt_get_volume_key_size(context_->cd));
    PMOS_ASSIGN(auto key, SecretBuffer::make(size));
    const int r =
        ::crypt_volume_key_get(context_->cd, keyslot, reinterpret_cast<char*>(key.storage().data()),
                               &size, chars(secret), secret.size());
    if (r == -EPERM) return fail(refused_secret());
    if (r < 0) {
        Error e = error(r, "cannot open the volume's key");
        if (r == -ENOMEM) e = no_memory(std::move(e));
        return fail(std::move(e));
    }
    key.set_size(size);
    return Unsealed{r, std::move(key)};
}

bool CryptDevice::is_keyslot(int slot) const {
    const auto info = ::crypt_keyslot_status(context_->cd, slot);
    return info == CRYPT_SLOT_ACTIVE || info == CRYPT_SLOT_ACTIVE_LAST;
}

std::vector<int> CryptDevice::keyslots() const {
    std::vector<int> found;
    for (int slot = 0; slot < ::crypt_keyslot_max(CRYPT_LUKS2); ++slot)
        if (is_keyslot(slot)) found.push_back(slot);
    return found;
}

bool CryptDevice::has_keyslot() const { return !keyslots().empty(); }

std::optional<int> CryptDevice::free_keyslot() const {
    for (int slot = 0; slot < ::crypt_keyslot_max(CRYPT_LUKS2); ++slot)
        if (::crypt_keyslot_status(context_->cd, slot) == CRYPT_SLOT_INACTIVE) return slot;
    return std::nullopt;
}

Result<void> CryptDevice::set_cost(const PbkdfCost& cost) {
    const crypt_pbkdf_type pbkdf = pbkdf_parameters(cost);
    const int r = ::crypt_set_pbkdf_type(context_->cd, &pbkdf);
    if (r >= 0) return {};
    return fail(error(r, "cannot use the profile's key derivation"));
}

Result<void> CryptDevice::add_keyslot(int slot, const PbkdfCost& cost,
                                      std::span<const std::byte> key,
                                      std::span<const std::byte> secret) {
    PMOS_TRY(set_cost(cost));
    const int r =
        ::crypt_keyslot_add_by_volume_key(context_->cd, slot, key.empty() ? nullptr : chars(key),
                                          key.size(), chars(secret), secret.size());
    if (r >= 0) return {};
    Error e = error(r, "cannot store the key in the volume's header");
    if (r == -ENOMEM) e = no_memory(std::move(e));
    return fail(std::move(e));
}

Result<KeyslotCost> CryptDevice::measured(const PbkdfCost& cost) const {
    crypt_pbkdf_type pbkdf = pbkdf_parameters(cost);
    constexpr std::string_view kPassword = "password", kSalt = "a salt of thirty-two bytes in all";
    constexpr std::size_t kKeyBytes = 32;
    const int r = cost.minimal ? 0
                               : ::crypt_benchmark_pbkdf(context_->cd, &pbkdf, kPassword.data(),
                                                         kPassword.size(), kSalt.data(), 32,
                                                         kKeyBytes, nullptr, nullptr);
    if (r < 0) return fail(error(r, "cannot measure the profile's key derivation"));
    return KeyslotCost{cost.type, pbkdf.iterations, pbkdf.max_memory_kb, pbkdf.parallel_threads};
}

Result<void> CryptDevice::check_keyslot(int slot, std::span<const std::byte> secret) {
    const int r = ::crypt_activate_by_passphrase(context_->cd, nullptr, slot, chars(secret),
                                                 secret.size(), 0);
    if (r == slot) return {};
    return fail(error(r, "the new keyslot cannot be opened again", kIsItSound));
}

Result<void> CryptDevice::destroy_keyslot(int slot) {
    if (!is_keyslot(slot)) return {};
    const int r = ::crypt_keyslot_destroy(context_->cd, slot);
    if (r >= 0) return {};
    return fail(error(r, fmt::format("cannot destroy keyslot {}", slot)));
}

std::vector<CryptDevice::Token> CryptDevice::tokens() const {
    std::vector<Token> found;
    for (int token = 0; token < ::crypt_token_max(CRYPT_LUKS2); ++token) {
        const char* json = nullptr;
        if (::crypt_token_json_get(context_->cd, token, &json) >= 0 && json != nullptr)
            found.push_back({token, json});
    }
    return found;
}

Result<int> CryptDevice::write_token(const std::string& json) {
    const int r = ::crypt_token_json_set(context_->cd, CRYPT_ANY_TOKEN, json.c_str());
    if (r >= 0) return r;
    return fail(error(r, "cannot write into the volume's header"));
}

Result<void> CryptDevice::replace_token(int number, const std::string& json) {
    const int r = ::crypt_token_json_set(context_->cd, number, json.c_str());
    if (r >= 0) return {};
    return fail(error(r, "cannot write into the volume's header"));
}

Result<void> CryptDevice::remove_token(int number) {
    const int r = ::crypt_token_json_set(context_->cd, number, nullptr);
    if (r >= 0) return {};
    return fail(error(r, "cannot write into the volume's header"));
}

Result<void> CryptDevice::bind_token(int number, int keyslot) {
    const int r = ::crypt_token_assign_keyslot(context_->cd, number, keyslot);
    if (r >= 0) return {};
    return fail(error(r, "cannot write into the volume's header"));
}

std::vector<int> CryptDevice::tokens_of(int keyslot) const {
    std::vector<int> found;
    for (int token = 0; token < ::crypt_token_max(CRYPT_LUKS2); ++token)
        if (::crypt_token_is_assigned(context_->cd, token, keyslot) == 0) found.push_back(token);
    return found;
}

std::vector<std::string> CryptDevice::others_than(int keyslot) const {
    std::vector<std::string> found;
    for (int slot = 0; slot < ::crypt_keyslot_max(CRYPT_LUKS2); ++slot) {
        if (slot == keyslot || !is_keyslot(slot)) continue;
        std::string kinds;
        for (const int token : tokens_of(slot)) {
            const char* type = nullptr;
            ::crypt_token_status(context_->cd, token, &type);
            if (type != nullptr) kinds += (kinds.empty() ? "" : ", ") + std::string(type);
        }
        found.push_back(kinds.empty() ? fmt::format("keyslot {}", slot)
                                      : fmt::format("keyslot {} ({})", slot, kinds));
    }
    return found;
}

std::vector<Area> CryptDevice::keyslot_areas() const {
    std::vector<Area> areas;
    for (int slot = 0; slot < ::crypt_keyslot_max(CRYPT_LUKS2); ++slot) {
        Area area;
        if (::crypt_keyslot_area(context_->cd, slot, &area.offset, &area.length) == 0)
            areas.push_back(area);
    }
    return areas;
}

Result<void> CryptDevice::check_one_key() const {
    if (reencryption() == Reencryption::none) return {};
    return fail(Code::busy, "the volume is being re-encrypted", "",
                "let it finish: pmosctl volume reencrypt");
}

}  // namespace pmos::volume
