// volume: libcryptsetup as values and Results: what changes a volume while it is open. Never logs.
#include <fmt/core.h>

#include <cerrno>

#include "runtime/volume/crypt_context.h"

namespace pmos::volume {

Result<void> CryptDevice::load_key(std::span<const std::byte> secret, int keyslot) {
    const int r = ::crypt_activate_by_passphrase(context_->cd, nullptr, keyslot, chars(secret),
                                                 secret.size(), CRYPT_ACTIVATE_KEYRING_KEY);
    if (r >= 0) return {};
    if (r == -EPERM) return fail(refused_secret());
    Error e = error(r, "cannot open the volume's key");
    if (r == -ENOMEM) e = no_memory(std::move(e));
    return fail(std::move(e));
}

Result<void> CryptDevice::grow(const std::string& dm_name) {
    const int r = ::crypt_resize(context_->cd, dm_name.c_str(), 0);
    if (r >= 0) return {};
    return fail(error(r, fmt::format("cannot grow device '{}'", dm_name)));
}

Result<void> CryptDevice::check_no_integrity(const std::string& refusal) const {
    crypt_params_integrity integrity{};
    if (::crypt_get_integrity_info(context_->cd, &integrity) != 0 ||
        integrity.integrity == nullptr || integrity.tag_size == 0)
        return {};
    return fail(
        Code::unsupported, fmt::format("a volume with integrity {}", refusal),
        fmt::format("it has '{}', which libcryptsetup 2.6 cannot move", integrity.integrity),
        "provision a new one and copy what is needed");
}

}  // namespace pmos::volume
