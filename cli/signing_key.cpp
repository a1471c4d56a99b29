// cli: the private key that signs bundles. It is in locked memory from the file to the signature,
// never in an argument, an environment variable or a std::string.
#include "cli/signing_key.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pmos::cli {
namespace {

constexpr std::size_t kMaxFile = 1024, kSeed = 32;
constexpr std::string_view kBegin = "-----BEGIN PRIVATE KEY-----\n";
constexpr std::string_view kEnd = "\n-----END PRIVATE KEY-----\n";
// SEQUENCE { 0, SEQUENCE { OID 1.3.101.112 }, OCTET STRING { OCTET STRING of 32 bytes } }
constexpr std::array<unsigned char, 16> kPrefix{0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                                0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
constexpr std::size_t kDer = kPrefix.size() + kSeed;

unsigned char* raw(std::span<std::byte> bytes) {
    return reinterpret_cast<unsigned char*>(bytes.data());
}
const unsigned char* raw(std::span<const std::byte> bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

Result<> only_ours(BorrowedFd fd, const std::string& name) {
    const std::string what = fmt::format("cannot use the key '{}'", name);
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return fail(errno_error(errno, what));
    if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)) return {};  // whoever feeds it keeps it
    if (!S_ISREG(st.st_mode)) return fail(Code::usage, what, "it is not a file");
    if ((st.st_mode & 077U) != 0)
        return fail(Code::denied, what, "others than its owner may read or write it",
                    fmt::format("chmod 600 {}", name));
    if (st.st_uid != ::geteuid() && st.st_uid != 0)
        return fail(Code::denied, what, "it is another user's");
    return {};
}

Result<SecretBuffer> read_file(BorrowedFd fd, const std::string& name) {
    PMOS_ASSIGN(auto text, SecretBuffer::make(kMaxFile));
    std::size_t used = 0;
    for (;;) {
        const auto room = text.storage().subspan(used);
        if (room.empty()) return fail(Code::usage, fmt::format("'{}' is too long for a key", name));
        const ssize_t n = ::read(fd.get(), room.data(), room.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(errno_error(errno, fmt::format("cannot read '{}'", name)));
        if (n == 0) break;
        used += static_cast<std::size_t>(n);
    }
    text.set_size(used);
    return text;
}

}  // namespace

Result<SigningKey> SigningKey::from_seed(std::span<const std::byte> seed) {
    PMOS_ASSIGN(auto secret, SecretBuffer::make(crypto_sign_ed25519_SECRETKEYBYTES));
    std::array<unsigned char, crypto_sign_ed25519_PUBLICKEYBYTES> ignored{};
    crypto_sign_ed25519_seed_keypair(ignored.data(), raw(secret.storage()), raw(seed));
    secret.set_size(crypto_sign_ed25519_SECRETKEYBYTES);
    return SigningKey(std::move(secret));
}

Result<SigningKey> SigningKey::make() {
    if (sodium_init() < 0) return fail(Code::failed, "the kernel has no random numbers");
    PMOS_ASSIGN(auto seed, SecretBuffer::make(kSeed));
    randombytes_buf(seed.storage().data(), kSeed);
    seed.set_size(kSeed);
    return from_seed(seed.bytes());
}

Result<SigningKey> SigningKey::read(BorrowedFd fd, const std::string& name) {
    PMOS_TRY(only_ours(fd, name));
    PMOS_ASSIGN(const auto text, read_file(fd, name));
    const auto bad = [&](std::string why) {
        return fail(Code::usage, fmt::format("'{}' is not an Ed25519 private key", name),
                    std::move(why),
                    "'pmosctl policy keygen' makes one, or: openssl genpkey -algorithm ed25519");
    };
    const std::string_view pem(reinterpret_cast<const char*>(text.bytes().data()),
                               text.bytes().size());
    if (!pem.starts_with(kBegin) || !pem.ends_with(kEnd) ||
        pem.size() < kBegin.size() + kEnd.size())
        return bad("it is not PEM of a PRIVATE KEY without a passphrase");
    PMOS_ASSIGN(auto der, SecretBuffer::make(kDer));
    std::size_t size = 0;
    if (sodium_base642bin(raw(der.storage()), kDer, pem.data() + kBegin.size(),
                          pem.size() - kBegin.size() - kEnd.size(), nullptr, &size, nullptr,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        size != kDer || std::memcmp(der.storage().data(), kPrefix.data(), kPrefix.size()) != 0)
        return bad("it is the key of another algorithm, or damaged");
    return from_seed(std::span<const std::byte>(der.storage()).subspan(kPrefix.size(), kSeed));
}

Result<SigningKey> SigningKey::read(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd) return fail(errno_error(errno, fmt::format("cannot open the key '{}'", path)));
    struct stat st {};
    if (::fstat(fd.get(), &st) == 0 && !S_ISREG(st.st_mode))
        return fail(Code::usage, fmt::format("cannot use the key '{}'", path), "it is not a file",
                    "a pipe goes by its descriptor: --key-fd N");
    return read(fd.borrow(), path);
}

policy::PublicKey SigningKey::public_key() const {
    policy::PublicKey key;
    std::ranges::copy(secret_.bytes().subspan(kSeed, key.bytes.size()), key.bytes.begin());
    return key;
}

policy::Signature SigningKey::sign(const policy::Statement& statement) const {
    policy::Signature out{};
    crypto_sign_ed25519_detached(raw(std::span<std::byte>(out)), nullptr,
                                 raw(std::span<const std::byte>(statement)), statement.size(),
                                 raw(secret_.bytes()));
    return out;
}

Result<SecretBuffer> SigningKey::pem() const {
    PMOS_ASSIGN(auto der, SecretBuffer::make(kDer));
    std::memcpy(der.storage().data(), kPrefix.data(), kPrefix.size());
    std::memcpy(der.storage().data() + kPrefix.size(), secret_.bytes().data(), kSeed);
    constexpr std::size_t kText =
        sodium_base64_ENCODED_LEN(kDer, sodium_base64_VARIANT_ORIGINAL);  // with its NUL
    PMOS_ASSIGN(auto out, SecretBuffer::make(kBegin.size() + kText + kEnd.size()));
    auto* at = reinterpret_cast<char*>(out.storage().data());
    at = std::ranges::copy(kBegin, at).out;
    sodium_bin2base64(at, kText, raw(der.storage()), kDer, sodium_base64_VARIANT_ORIGINAL);
    at = std::ranges::copy(kEnd, at + kText - 1).out;
    out.set_size(static_cast<std::size_t>(at - reinterpret_cast<char*>(out.storage().data())));
    return out;
}

}  // namespace pmos::cli
