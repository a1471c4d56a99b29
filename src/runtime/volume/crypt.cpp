// volume: libcryptsetup as values and Results: making, opening and closing. Never logs.
#include "runtime/volume/crypt.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>

#include "runtime/volume/crypt_context.h"
#include "runtime/volume/dm.h"
#include "runtime/volume/patience.h"

namespace pmos::volume {
namespace {

constexpr std::size_t kMaxLabel = 47;
// What "hmac-sha256" is to the library; its key is a part of the volume's.
constexpr const char* kIntegrity = "hmac(sha256)";
constexpr std::size_t kIntegrityKeyBytes = 32;

static_assert(kAnyKeyslot == CRYPT_ANY_SLOT);

}  // namespace

crypt_pbkdf_type pbkdf_parameters(const PbkdfCost& cost) {
    const bool argon2 = cost.type.starts_with("argon2");
    crypt_pbkdf_type p{};
    p.type = cost.type.c_str();
    p.hash = "sha256";
    p.parallel_threads = argon2 ? cost.lanes : 0;
    p.max_memory_kb = argon2 ? static_cast<std::uint32_t>(cost.memory / 1024) : 0;
    p.time_ms = cost.time_ms;
    if (cost.minimal) {  // libcryptsetup's own lower bounds
        p.flags = CRYPT_PBKDF_NO_BENCHMARK;
        p.iterations = argon2 ? 4 : 1000;
        p.max_memory_kb = argon2 ? 32 : 0;
        p.parallel_threads = argon2 ? 1 : 0;
        p.time_ms = 0;
    }
    return p;
}

Error refused_secret() {
    Error e;
    e.code = Code::wrong_secret;
    e.what = "PIN refused";
    e.fix = "try again; the volume is unchanged";
    return e;
}

Error no_memory(Error e) {
    e.why = "there is not enough memory for the key derivation";
    e.fix = "stop a mode and try again";
    return e;
}

CryptDevice::CryptDevice(std::unique_ptr<Context> context) : context_(std::move(context)) {
    ::crypt_set_log_callback(context_->cd, &Context::listen, context_.get());
}
CryptDevice::CryptDevice(CryptDevice&& other) noexcept = default;
CryptDevice& CryptDevice::operator=(CryptDevice&& other) noexcept = default;
CryptDevice::~CryptDevice() = default;

Error CryptDevice::error(int negative_errno, std::string what, std::string fix) const {
    Error e = errno_error(-negative_errno, std::move(what), std::move(fix));
    if (!context_->said.empty()) e.why = context_->said;
    // libcryptsetup says the latter of any header that it cannot read again before it writes.
    if (e.fix.empty() &&
        (negative_errno == -EIO || e.why.find("concurrent LUKS2 metadata update") != e.why.npos))
        e.fix = kIsItSound;
    return e;
}

Result<CryptDevice> CryptDevice::of_device(const std::string& path, const std::string& data) {
    auto context = std::make_unique<Context>();
    const int r = data.empty() ? ::crypt_init(&context->cd, path.c_str())
                               : ::crypt_init_data_device(&context->cd, path.c_str(), data.c_str());
    if (r < 0) return fail(errno_error(-r, fmt::format("cannot use device '{}'", path)));
    return CryptDevice(std::move(context));
}

Result<CryptDevice> CryptDevice::of_mapping(const std::string& dm_name, const std::string& header) {
    auto context = std::make_unique<Context>();
    const int r = ::crypt_init_by_name_and_header(&context->cd, dm_name.c_str(),
                                                  header.empty() ? nullptr : header.c_str());
    if (r < 0) return fail(errno_error(-r, fmt::format("cannot look at device '{}'", dm_name)));
    return CryptDevice(std::move(context));
}

Result<void> CryptDevice::load() {
    const int r = ::crypt_load(context_->cd, CRYPT_LUKS2, nullptr);
    if (r == 0) return {};
    Error e = error(r, "the volume's header is damaged, or it is not a volume",
                    "nothing has been written; bring a backup back with pmosctl volume restore");
    e.code = Code::failed;
    return fail(std::move(e));
}

Result<void> CryptDevice::check_loaded() {
    return ::crypt_get_type(context_->cd) == nullptr ? load() : Result<void>{};
}

Result<void> CryptDevice::format(const Request& request) {
    PMOS_ASSIGN(const CipherSpec spec, split_cipher(text(request.cipher)));
    const std::string label(text(request.dm_name).substr(0, kMaxLabel));
    const PbkdfCost cost{std::string(text(request.pbkdf)), 1 << 20, 0, true};
    const crypt_pbkdf_type pbkdf = pbkdf_parameters(cost);
    crypt_params_luks2 luks{};
    luks.sector_size = request.sector_size;
    luks.label = label.c_str();
    if (!text(request.header).empty()) luks.data_alignment = kApartOffset / 512;
    const bool tagged = has_integrity(request);
    luks.integrity = tagged ? kIntegrity : nullptr;
    luks.pbkdf = &pbkdf;  // of the digest and of the defaults; add_keyslot() sets the real cost
    const int r =
        ::crypt_format(context_->cd, CRYPT_LUKS2, spec.cipher.c_str(), spec.mode.c_str(), nullptr,
                       nullptr, request.key_bits / 8 + (tagged ? kIntegrityKeyBytes : 0), &luks);
    if (r == 0) return {};
    Error e = error(r, fmt::format("cannot make a volume with cipher '{}'", text(request.cipher)),
                    "see pmosctl doctor for the ciphers of this kernel");
    if (r == -ENOENT || r == -ENOTSUP) e.code = Code::unsupported;
    return fail(std::move(e));
}

Result<void> CryptDevice::add_keyslot(const PbkdfCost& cost, std::span<const std::byte> secret) {
    return add_keyslot(0, cost, {}, secret);
}

Result<void> CryptDevice::map_fresh(const std::string& dm_name) {
    const int r = ::crypt_activate_by_volume_key(context_->cd, dm_name.c_str(), nullptr, 0, 0);
    if (r >= 0) return {};
    return fail(error(r, fmt::format("cannot map the new volume as '{}'", dm_name),
                      "is the kernel module 'dm-crypt' there?"));
}

Result<int> CryptDevice::activate(const char* dm_name, std::span<const std::byte> secret,
                                  int keyslot) {
    // Of a volume with two keys one secret opens both, each in a keyslot of its own.
    if (reencryption() != Reencryption::none) keyslot = kAnyKeyslot;
    const int r = ::crypt_activate_by_passphrase(context_->cd, dm_name, keyslot, chars(secret),
                                                 secret.size(), 0);
    if (r >= 0) return r;
    return fail(refused(r));
}

// Of a volume with two keys libcryptsetup says of each keyslot of the other one, and of what it
// notes, that it is none of this key's: what the last one in the header says is what comes back.
bool CryptDevice::is_wrong_secret(int r) const {
    return r == -EPERM || (r == -ENOENT && reencryption() != Reencryption::none);
}

Error CryptDevice::refused(int r) const {
    if (is_wrong_secret(r)) return refused_secret();
    Error e = error(r, "cannot open the volume");
    if (r == -ENOMEM) e = no_memory(std::move(e));
    if (r == -EEXIST) e.code = Code::busy;
    return e;
}

Result<int> CryptDevice::map(const std::string& dm_name, std::span<const std::byte> secret,
                             int keyslot) {
    return activate(dm_name.c_str(), secret, keyslot);
}

Result<void> CryptDevice::suspend(const std::string& dm_name) {
    const int r = ::crypt_suspend(context_->cd, dm_name.c_str());
    if (r >= 0) return {};
    return fail(error(r, fmt::format("cannot suspend device '{}'", dm_name)));
}

Result<int> CryptDevice::resume(const std::string& dm_name, std::span<const std::byte> secret,
                                int keyslot) {
    const int r = ::crypt_resume_by_passphrase(context_->cd, dm_name.c_str(), keyslot,
                                               chars(secret), secret.size());
    if (r >= 0) return r;
    return fail(refused(r));
}

Result<int> CryptDevice::check_secret(std::span<const std::byte> secret, int keyslot) {
    return activate(nullptr, secret, keyslot);
}

std::optional<KeyslotCost> CryptDevice::argon2_of(int keyslot) const {
    crypt_pbkdf_type p{};
    if (::crypt_keyslot_get_pbkdf(context_->cd, keyslot, &p) < 0 || p.type == nullptr ||
        !std::string_view(p.type).starts_with("argon2"))
        return std::nullopt;
    return KeyslotCost{p.type, p.iterations, p.max_memory_kb, p.parallel_threads};
}

bool CryptDevice::has_complete_token(const Request& request) const {
    return std::ranges::any_of(
        tokens(), [&](const Token& token) { return is_complete_token(request, token.json); });
}

std::string CryptDevice::uuid() const {
    const char* value = ::crypt_get_uuid(context_->cd);
    return value == nullptr ? "" : value;
}

std::string CryptDevice::cipher() const {
    const char* cipher = ::crypt_get_cipher(context_->cd);
    const char* mode = ::crypt_get_cipher_mode(context_->cd);
    return cipher == nullptr || mode == nullptr ? "" : fmt::format("{}-{}", cipher, mode);
}

std::string CryptDevice::device() const {
    const char* value = ::crypt_get_device_name(context_->cd);
    return value == nullptr ? "" : value;
}

std::string CryptDevice::header_device() const {
    const char* value = ::crypt_get_metadata_device_name(context_->cd);
    return value == nullptr ? device() : value;
}

void CryptDevice::keep_quiet() { ::crypt_set_log_callback(nullptr, &Context::listen, nullptr); }

void CryptDevice::load_no_plugins() {
    plugin_directory();  // which is not told any more afterwards
    ::crypt_token_external_disable();
}

Mapping mapping_state(const std::string& dm_name) {
    const auto status = ::crypt_status(nullptr, dm_name.c_str());
    if (status != CRYPT_ACTIVE && status != CRYPT_BUSY) return Mapping::absent;
    crypt_device* cd = nullptr;
    crypt_active_device active{};
    const bool suspended = ::crypt_init_by_name(&cd, dm_name.c_str()) == 0 &&
                           ::crypt_get_active_device(cd, dm_name.c_str(), &active) == 0 &&
                           (active.flags & CRYPT_ACTIVATE_SUSPENDED) != 0;
    ::crypt_free(cd);
    return suspended ? Mapping::suspended : Mapping::active;
}

Result<void> unmap(const std::string& dm_name) {
    PMOS_TRY(dm::remove_half_made(dm_name));
    int r = 0;
    for (Patience patience;;) {
        if (mapping_state(dm_name) == Mapping::absent) return dm::remove_integrity(dm_name);
        r = ::crypt_deactivate(nullptr, dm_name.c_str());
        // Looked at again before it is called gone.
        if ((r != 0 && r != -ENODEV && r != -EBUSY) || !patience.more()) break;
    }
    if (mapping_state(dm_name) == Mapping::absent) return dm::remove_integrity(dm_name);
    return fail(errno_error(-r, fmt::format("cannot close device '{}'", dm_name),
                            "something still uses it: see /sys/block/*/holders and the mounts"));
}

}  // namespace pmos::volume
