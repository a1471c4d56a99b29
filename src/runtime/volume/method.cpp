// volume: the table of methods, and the one that needs no token. Counts nothing, writes no header.
#include "runtime/volume/method.h"

#include <algorithm>
#include <array>

namespace pmos::volume {
namespace {

bool fits_any(const SecretBuffer&) { return true; }

Result<SecretBuffer> as_entered(const Request&, const CryptDevice&, const Factor&,
                                const SecretBuffer& entered) {
    return copy_secret(entered.bytes());
}

Result<Enrolled> as_chosen(const Request&, const CryptDevice&, const SecretBuffer* chosen) {
    if (chosen == nullptr) return fail(Code::usage, "no new secret was given");
    PMOS_ASSIGN(auto passphrase, copy_secret(chosen->bytes()));
    return Enrolled{"", std::move(passphrase)};
}

constexpr Method kBare{
    .chosen = true, .fits = fits_any, .passphrase = as_entered, .enroll = as_chosen};

}  // namespace

std::span<const Method> methods() {
    static const std::array kMethods{kBare,       kRecovery, kEscrow, kTpmPin,
                                     kSystemdTpm, kTpmAlone, kFido2};
    return kMethods;
}

const Method* method_of_token(std::string_view type) {
    const auto all = methods();
    const auto it = std::ranges::find(all, type, &Method::token);
    return type.empty() || it == all.end() ? nullptr : &*it;
}

const Method* method_of(const Factor& factor) {
    if (factor.token < 0) return &bare_method();
    const auto all = methods();
    const auto it = std::ranges::find_if(
        all, [&](const Method& m) { return m.token == factor.type && m.name == factor.method; });
    return it == all.end() ? nullptr : &*it;
}

const Method* method_of_name(std::string_view name) {
    if (name == "pin" || name == "passphrase" || name == "device-key") return &bare_method();
    const auto all = methods();
    const auto it = std::ranges::find(all, name, &Method::name);
    return name.empty() || it == all.end() ? nullptr : &*it;
}

const Method& bare_method() { return methods().front(); }

Result<void> destroy_outside(const Request& request, const std::string& type,
                             const std::string& token) {
    const Method* method = method_of_token(type);
    if (method == nullptr || method->destroy == nullptr) return {};
    return method->destroy(request, token);
}

Result<SecretBuffer> copy_secret(std::span<const std::byte> secret) {
    PMOS_ASSIGN(auto copy, SecretBuffer::make(secret.size()));
    std::ranges::copy(secret, copy.storage().begin());
    copy.set_size(secret.size());
    return copy;
}

}  // namespace pmos::volume
