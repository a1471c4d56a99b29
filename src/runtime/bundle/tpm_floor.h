// bundle: the version floor in an NV index of the TPM, which a writer of the phone's storage does
// not reach. Whoever commands the TPM does: docs/bundles.md says what that is worth.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "runtime/bundle/floor.h"
#include "runtime/tpm/nv.h"

namespace pmos::bundle {

// Not a counter: one cannot leap, and versions do (20261126). No dictionary attack protection:
// there is no secret to guess, and others' guesses must not shut the policy out.
inline constexpr tpm::NvSpace kFloorIndex{
    0x0180706d, TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE | TPMA_NV_OWNERREAD | TPMA_NV_NO_DA, 16};

struct TpmPlace {
    std::string device = tpm::kDevice, sys = "/sys";
    std::chrono::milliseconds comes_late{10'000};  // a driver behind a slow bus: after pmosd
};
// Waits for one that is expected, or that the firmware announces: what the storage says of a TPM
// may have been taken out of it. Code::not_found: none, nor is one announced.
Result<tpm::Tpm> open_tpm(bool expected, const TpmPlace& place);

class TpmFloor : public FloorKeeper {
  public:
    using Open = std::function<Result<tpm::Tpm>(bool expected)>;
    explicit TpmFloor(Open open) : open_(std::move(open)) {}

    Result<std::optional<std::uint64_t>> read(bool expected) override;
    Result<> raise(std::uint64_t version) override;

  private:
    Result<tpm::Tpm*> tpm(bool expected);

    Open open_;
    std::optional<tpm::Tpm> tpm_;
};

}  // namespace pmos::bundle
