// volume: a FIDO2 authenticator that is plugged in. Only authenticator.cpp knows libfido2. Reads no
// header, counts nothing, never logs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "runtime/volume/fido2_token.h"

struct fido_dev;

namespace pmos::volume {

// Each call that waits for a person ends after kPatience (Code::timed_out), and by the signals that
// Channel::catch_signals() keeps back (Code::cancelled; they are still there for the channel then).
// Code::wrong_secret: the authenticator refused the PIN, and counted it.
class Authenticator {
  public:
    static constexpr int kPatienceMs = 30000;

    // Those that have a secret for a volume (FIDO2 with hmac-secret). Code::not_found: none has.
    static Result<std::vector<Authenticator>> all();

    enum class Made { no, yes, unsaid };  // unsaid: it does nothing without its PIN
    // Whether it made the token's credential. Asks for neither PIN nor touch.
    Result<Made> made(const Fido2Token& token);
    bool has_pin() const;
    // A credential for the volume; wants a touch. What the authenticator keeps of it is nothing.
    Result<Fido2Token> enroll(const std::string& volume, const SecretBuffer& pin);
    // What the keyslot's passphrase is: base64 of what the authenticator makes of the salt.
    Result<SecretBuffer> passphrase(const Fido2Token& token, const SecretBuffer& pin);

  private:
    struct Close {
        void operator()(fido_dev* device) const;
    };
    explicit Authenticator(fido_dev* device) : device_(device) {}
    // False: it is no such authenticator, or does not answer.
    bool open(const char* path);

    std::unique_ptr<fido_dev, Close> device_;
    bool tells_touch_ = true, verifies_ = false;  // which options it knows
};

}  // namespace pmos::volume
