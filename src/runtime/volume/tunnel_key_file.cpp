// volume: the key of a mode's tunnel (X25519) and the file that has it. See tunnel_key_file.h.
#include "runtime/volume/tunnel_key_file.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "runtime/volume/write_at.h"

namespace pmos::volume {
namespace {

constexpr const char* kFile = "tunnel-key";
constexpr const char* kTemporary = "tunnel-key.new";
constexpr const char* kCannotWrite = "cannot write the tunnel's key";

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

Result<> write_new(BorrowedFd part, const SecretBuffer& key) {
    const UniqueFd file(::openat(part.get(), kTemporary,
                                 O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return fail(errno_error(errno, kCannotWrite));
    PMOS_TRY(write_at(file.borrow(), key.bytes(), 0, kCannotWrite));
    if (::fsync(file.get()) != 0) return fail(errno_error(errno, kCannotWrite));
    return {};
}

}  // namespace

Result<SecretBuffer> make_tunnel_key() {
    PMOS_ASSIGN(auto key, empty_key());
    if (::getrandom(bytes_in(key), kTunnelKeyBytes, 0) != kTunnelKeyBytes)
        return fail(errno_error(errno, "cannot make a random key"));
    clamp(key);
    return key;
}

Result<SecretBuffer> parse_tunnel_key(const SecretBuffer& line) {
    PMOS_ASSIGN(auto key, empty_key());
    std::size_t size = 0;
    const auto text = line.bytes();
    const int r = ::sodium_base642bin(bytes_in(key), kTunnelKeyBytes,
                                      reinterpret_cast<const char*>(text.data()), text.size(),
                                      nullptr, &size, nullptr, sodium_base64_VARIANT_ORIGINAL);
    if (r != 0 || size != kTunnelKeyBytes)
        return fail(Code::usage, "this is no key of a tunnel",
                    "it is not one line of base64 that stands for 32 bytes",
                    "take the PrivateKey of a WireGuard configuration, or 'wg genkey'");
    clamp(key);
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

Result<SecretBuffer> load_tunnel_key(BorrowedFd part) {
    const UniqueFd file(::openat(part.get(), kFile, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file && errno == ENOENT) return fail(Code::not_found, "there is no key of a tunnel");
    if (!file) return fail(errno_error(errno, "cannot open the tunnel's key"));
    PMOS_ASSIGN(auto key, empty_key());
    struct stat st {};
    if (::fstat(file.get(), &st) != 0 ||
        ::pread(file.get(), bytes_in(key), kTunnelKeyBytes, 0) != kTunnelKeyBytes ||
        st.st_size != kTunnelKeyBytes)
        return fail(Code::failed, "the tunnel's key is damaged", "it is not 32 bytes long",
                    "make or import another one");
    return key;
}

Result<> store_tunnel_key(BorrowedFd part, const SecretBuffer& key, bool replaces) {
    // Of a worker that was killed.
    if (::unlinkat(part.get(), kTemporary, 0) != 0 && errno != ENOENT)
        return fail(errno_error(errno, kCannotWrite));
    auto written = write_new(part, key);
    if (written && ::renameat2(part.get(), kTemporary, part.get(), kFile,
                               replaces ? 0 : RENAME_NOREPLACE) != 0)
        written = errno == EEXIST ? fail(Code::already_exists, "there is a key of a tunnel already")
                                  : fail(errno_error(errno, kCannotWrite));
    if (!written) {
        static_cast<void>(::unlinkat(part.get(), kTemporary, 0));
        return written;
    }
    if (::fsync(part.get()) != 0) return fail(errno_error(errno, kCannotWrite));
    return {};
}

}  // namespace pmos::volume
