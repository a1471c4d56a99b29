// tpm: one NV index of a pair behind a PIN: found, made, authorised, removed. Knows no PIN.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/secret.h"
#include "runtime/tpm/pin_space.h"
#include "runtime/tpm/session.h"

namespace pmos::tpm {

// What authorises an index, known to the TPM's library as long as this lives; wiped at the end.
class PinIndex {
  public:
    enum class Is : std::uint8_t { absent, unwritten, written, foreign };

    // `as`: how it looks once it is written.
    static Result<Is> look(Tpm& tpm, const TPMS_NV_PUBLIC& as);
    // One that is there.
    static Result<PinIndex> find(Tpm& tpm, const TPMS_NV_PUBLIC& as);
    static Result<PinIndex> define(Tpm& tpm, Session& session, const TPMS_NV_PUBLIC& as,
                                   std::span<const std::byte> authorisation);
    PinIndex(PinIndex&& other) noexcept
        : tpm_(other.tpm_), as_(other.as_), index_(std::exchange(other.index_, ESYS_TR_NONE)) {}
    PinIndex& operator=(PinIndex&&) = delete;
    ~PinIndex();

    ESYS_TR get() const noexcept { return index_; }
    std::string what() const;
    Result<> authorise(std::span<const std::byte> authorisation);
    Result<> write(ESYS_TR by, std::span<const std::byte> bytes);
    Result<> undefine(Session& session);

  private:
    PinIndex(Tpm& tpm, const TPMS_NV_PUBLIC& as, ESYS_TR index)
        : tpm_(&tpm), as_(as), index_(index) {}

    Tpm* tpm_;
    TPMS_NV_PUBLIC as_;
    ESYS_TR index_;
};

}  // namespace pmos::tpm
