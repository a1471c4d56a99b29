// cli: the private key that signs bundles. It is in locked memory from the file to the signature,
// never in an argument, an environment variable or a std::string.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "base/secret.h"
#include "policy/bundle_key.h"

namespace pmos::cli {

class SigningKey {
  public:
    // A new one, by the kernel's random numbers.
    static Result<SigningKey> make();
    // PKCS#8 of Ed25519 (RFC 8410) in PEM, as openssl writes it. A file that its group or others
    // may read is refused.
    static Result<SigningKey> read(BorrowedFd fd, const std::string& name);
    static Result<SigningKey> read(const std::string& path);

    policy::PublicKey public_key() const;
    policy::Signature sign(const policy::Statement& statement) const;
    // The PEM of it, to be written into a file of mode 0600.
    Result<SecretBuffer> pem() const;

  private:
    explicit SigningKey(SecretBuffer secret) : secret_(std::move(secret)) {}
    static Result<SigningKey> from_seed(std::span<const std::byte> seed);

    SecretBuffer secret_;  // libsodium's form: seed and public key
};

}  // namespace pmos::cli
