// tpm: a conversation that who listens between processor and TPM does not understand, and who
// stands between them cannot change. Keeps no secret of its own.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "runtime/tpm/tpm.h"

namespace pmos::tpm {

// What the TPM holds for this conversation; let go at the end.
class Held {
  public:
    Held(Tpm& tpm, ESYS_TR handle) : tpm_(&tpm), handle_(handle) {}
    Held(Held&& other) noexcept
        : tpm_(other.tpm_), handle_(std::exchange(other.handle_, ESYS_TR_NONE)) {}
    Held& operator=(Held&& other) noexcept {
        std::swap(tpm_, other.tpm_);
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Held() {
        if (handle_ != ESYS_TR_NONE) Esys_FlushContext(tpm_->get(), handle_);
    }
    ESYS_TR get() const noexcept { return handle_; }

  private:
    Tpm* tpm_;
    ESYS_TR handle_;
};

// Of a key of the owner's hierarchy that this TPM makes anew from its seed each time, always the
// same, until it is cleared. SHA-256 of its public part.
using KeyName = std::array<std::byte, 32>;

// Which parameter does not cross in the clear: a command's first, or an answer's.
enum class Hides : std::uint8_t { nothing, command, answer };

// Salted with a secret that only the holder of the key can read, AES-128-CFB. Lives as long as its
// TPM.
class Session {
  public:
    // Code::not_found: it is another TPM than the one with the key `known`, or it was cleared.
    static Result<Session> start(Tpm& tpm, const std::optional<KeyName>& known);

    const KeyName& key() const noexcept { return key_; }
    // The key itself; a storage key without a password.
    ESYS_TR primary() const noexcept { return primary_.get(); }
    // An authorisation that proves to know a secret without telling it.
    Result<ESYS_TR> proof(Hides hides);
    // Of the same kind, for the steps of a policy.
    Result<Held> policy() const;
    static Result<> hide(Tpm& tpm, ESYS_TR session, Hides hides);

  private:
    Session(Tpm& tpm, Held primary, KeyName key, Held proof)
        : tpm_(&tpm), primary_(std::move(primary)), key_(key), proof_(std::move(proof)) {}

    Tpm* tpm_;
    Held primary_;
    KeyName key_;
    Held proof_;
};

}  // namespace pmos::tpm
