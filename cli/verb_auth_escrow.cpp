// cli: auth open-escrow: what was sealed to a public key, opened by the holder of the private one.
// Asks no pmosd; the key and what it opens stay in locked memory.
#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "cli/secret_output.h"
#include "cli/volume_address.h"

namespace pmos::cli {
namespace {

struct Options {
    std::string key_file, sealed;
    int out_fd = -1;
};

unsigned char* raw(SecretBuffer& buffer) {
    return reinterpret_cast<unsigned char*>(buffer.storage().data());
}

Result<SecretBuffer> read_private_key(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return fail(errno_error(errno, fmt::format("cannot open '{}'", path)));
    constexpr std::size_t kMost = 128;
    PMOS_ASSIGN(const auto text, read_secret(file.borrow(), kMost));
    PMOS_ASSIGN(auto key, SecretBuffer::make(crypto_box_SECRETKEYBYTES));
    std::size_t size = 0;
    if (::sodium_base642bin(raw(key), crypto_box_SECRETKEYBYTES,
                            reinterpret_cast<const char*>(text.bytes().data()), text.bytes().size(),
                            "\r ", &size, nullptr, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        size != crypto_box_SECRETKEYBYTES)
        return fail(Code::usage, fmt::format("'{}' is no X25519 private key", path), "",
                    "32 bytes in base64, as wg genkey prints them");
    key.set_size(size);
    return key;
}

Result<SecretBuffer> unseal(const std::string& sealed, SecretBuffer& key) {
    std::vector<unsigned char> box(sealed.size());
    std::size_t size = 0;
    if (::sodium_base642bin(box.data(), box.size(), sealed.data(), sealed.size(), nullptr, &size,
                            nullptr, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        size <= crypto_box_SEALBYTES)
        return fail(Code::usage, "this is nothing that was sealed", "",
                    "copy 'sealed' of pmosctl auth list MODE --json whole");
    unsigned char public_key[crypto_box_PUBLICKEYBYTES];
    PMOS_ASSIGN(auto secret, SecretBuffer::make(size - crypto_box_SEALBYTES));
    if (::crypto_scalarmult_base(public_key, raw(key)) != 0 ||
        ::crypto_box_seal_open(raw(secret), box.data(), size, public_key, raw(key)) != 0)
        return fail(Code::wrong_secret, "it was sealed to another key, or is damaged");
    secret.set_size(size - crypto_box_SEALBYTES);
    return secret;
}

Result<int> open_escrow(const Options& options) {
    if (::sodium_init() < 0) return fail(Code::failed, "cannot begin to use libsodium");
    PMOS_ASSIGN(const auto sink, SecretSink::open(options.out_fd));
    PMOS_ASSIGN(auto key, read_private_key(options.key_file));
    PMOS_ASSIGN(const auto secret, unseal(options.sealed, key));
    PMOS_TRY(sink.show(secret, "the secret, entered where the PIN is asked for"));
    return 0;
}

}  // namespace

Action attach_auth_open_escrow(CommandLine& line) {
    auto options = std::make_shared<Options>();
    line.add_option("KEY", options->key_file, "a file with your private key").required();
    line.add_option("SEALED", options->sealed, "'sealed' of pmosctl auth list MODE --json")
        .required();
    line.add_option("--out-fd", options->out_fd,
                    "write the secret to this open descriptor, not to the terminal")
        .not_negative();
    return [options](const Globals&) { return open_escrow(*options); };
}

}  // namespace pmos::cli
