// volume: the keys of a mode's tunnel and the files that have them. See tunnel_key_file.h.
#include "runtime/volume/tunnel_key_file.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/verity.h"
#include "runtime/volume/write_at.h"

namespace pmos::volume {
namespace {

constexpr std::string_view kNewSuffix = ".new";

unsigned char* bytes_in(SecretBuffer& buffer) {
    return reinterpret_cast<unsigned char*>(buffer.storage().data());
}
const unsigned char* bytes_of(const SecretBuffer& buffer) {
    return reinterpret_cast<const unsigned char*>(buffer.bytes().data());
}

Result<SecretBuffer> empty_key() {
    PMOS_ASSIGN(auto key, SecretBuffer::make(kTunnelKeyBytes));
    key.set_size(kTunnelKeyBytes);
    return key;
}

// RFC 7748, 5: as every X25519 does it in use; done here so that one key has one form.
void clamp(SecretBuffer& key) {
    auto* const k = bytes_in(key);
    k[0] &= 248U;
    k[31] = static_cast<unsigned char>((k[31] & 127U) | 64U);
}

Result<> write_new(BorrowedFd part, const std::string& name, const SecretBuffer& key,
                   const std::string& cannot) {
    const UniqueFd file(::openat(part.get(), name.c_str(),
                                 O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return fail(errno_error(errno, cannot));
    PMOS_TRY(write_at(file.borrow(), key.bytes(), 0, cannot.c_str()));
    if (::fsync(file.get()) != 0) return fail(errno_error(errno, cannot));
    return {};
}

// Whose size has to be right.
Result<SecretBuffer> parse_line(const SecretBuffer& line, const char* what, const char* fix) {
    PMOS_ASSIGN(auto key, empty_key());
    std::size_t size = 0;
    const auto text = line.bytes();
    const int r = ::sodium_base642bin(bytes_in(key), kTunnelKeyBytes,
                                      reinterpret_cast<const char*>(text.data()), text.size(),
                                      nullptr, &size, nullptr, sodium_base64_VARIANT_ORIGINAL);
    if (r != 0 || size != kTunnelKeyBytes)
        return fail(Code::usage, what, "it is not one line of base64 that stands for 32 bytes",
                    fix);
    return key;
}

}  // namespace

TunnelKeyFile own_key_file() { return {"tunnel-key", "key of a tunnel"}; }

TunnelKeyFile preshared_key_file(const policy::PublicKey& peer) {
    return {"preshared-key-" + verity::to_hex(std::as_bytes(std::span(peer))),
            "preshared key of the peer " + policy::key_text(peer)};
}

Result<SecretBuffer> make_tunnel_key() {
    PMOS_ASSIGN(auto key, empty_key());
    if (::getrandom(bytes_in(key), kTunnelKeyBytes, 0) != kTunnelKeyBytes)
        return fail(errno_error(errno, "cannot make a random key"));
    clamp(key);
    return key;
}

Result<SecretBuffer> parse_tunnel_key(const SecretBuffer& line) {
    PMOS_ASSIGN(auto key, parse_line(line, "this is no key of a tunnel",
                                     "take the PrivateKey of a WireGuard configuration, or 'wg "
                                     "genkey'"));
    clamp(key);
    return key;
}

Result<SecretBuffer> parse_preshared_key(const SecretBuffer& line) {
    constexpr auto kFix = "take the PresharedKey of a WireGuard configuration, or 'wg genpsk'";
    PMOS_ASSIGN(auto key, parse_line(line, "this is no preshared key", kFix));
    if (::sodium_is_zero(bytes_of(key), kTunnelKeyBytes) != 0)
        return fail(Code::usage, "this is no preshared key", "zeros are WireGuard's word for none",
                    kFix);
    return key;
}

Result<std::string> public_key_of(const SecretBuffer& key) {
    std::array<unsigned char, kTunnelKeyBytes> own{};
    if (key.bytes().size() != kTunnelKeyBytes ||
        ::crypto_scalarmult_base(own.data(), bytes_of(key)) != 0)
        return fail(Code::failed, "the tunnel's key has no public one");
    std::string text(sodium_base64_ENCODED_LEN(kTunnelKeyBytes, sodium_base64_VARIANT_ORIGINAL),
                     '\0');
    ::sodium_bin2base64(text.data(), text.size(), own.data(), own.size(),
                        sodium_base64_VARIANT_ORIGINAL);
    text.pop_back();  // its NUL
    return text;
}

Result<SecretBuffer> load_tunnel_key(BorrowedFd part, const TunnelKeyFile& which) {
    const UniqueFd file(
        ::openat(part.get(), which.name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file && errno == ENOENT) return fail(Code::not_found, "there is no " + which.what);
    if (!file) return fail(errno_error(errno, "cannot open the " + which.what));
    PMOS_ASSIGN(auto key, empty_key());
    struct stat st {};
    if (::fstat(file.get(), &st) != 0 ||
        ::pread(file.get(), bytes_in(key), kTunnelKeyBytes, 0) != kTunnelKeyBytes ||
        st.st_size != kTunnelKeyBytes)
        return fail(Code::failed, "the " + which.what + " is damaged", "it is not 32 bytes long",
                    "make or import another one");
    return key;
}

Result<> store_tunnel_key(BorrowedFd part, const SecretBuffer& key, bool replaces,
                          const TunnelKeyFile& which) {
    const auto temporary = which.name + std::string(kNewSuffix);
    const auto cannot = "cannot write the " + which.what;
    // Of a worker that was killed.
    if (::unlinkat(part.get(), temporary.c_str(), 0) != 0 && errno != ENOENT)
        return fail(errno_error(errno, cannot));
    auto written = write_new(part, temporary, key, cannot);
    if (written && ::renameat2(part.get(), temporary.c_str(), part.get(), which.name.c_str(),
                               replaces ? 0 : RENAME_NOREPLACE) != 0)
        written = errno == EEXIST
                      ? fail(Code::already_exists, "there is a " + which.what + " already", "",
                             "--yes says that it may go")
                      : fail(errno_error(errno, cannot));
    if (!written) {
        static_cast<void>(::unlinkat(part.get(), temporary.c_str(), 0));
        return written;
    }
    if (::fsync(part.get()) != 0) return fail(errno_error(errno, cannot));
    return {};
}

}  // namespace pmos::volume
