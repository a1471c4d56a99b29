// tpm: an NV index: a few bytes that the TPM keeps by itself. Knows nothing of what they mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/tpm/tpm.h"

namespace pmos::tpm {

// What an index of ours is like; one that is otherwise is somebody else's.
struct NvSpace {
    TPM2_HANDLE handle = 0;
    TPMA_NV attributes = 0;  // as they are when it is defined
    std::uint16_t size = 0;
};

// Of the indices from `first` to `last`, those that are there.
Result<std::vector<TPM2_HANDLE>> nv_handles(Tpm& tpm, TPM2_HANDLE first, TPM2_HANDLE last);

// Lives as long as its TPM.
class NvIndex {
  public:
    // nullopt: there is none at that handle. An error when there is another one.
    static Result<std::optional<NvIndex>> find(Tpm& tpm, const NvSpace& space);
    // By the owner's hierarchy, without a password: neither the owner nor the index has one.
    static Result<NvIndex> define(Tpm& tpm, const NvSpace& space);

    bool written() const noexcept { return written_; }
    Result<std::vector<std::byte>> read() const;
    // All of it, in one command: a TPM carries that out wholly or not at all.
    Result<> write(std::span<const std::byte> bytes);

  private:
    NvIndex(Tpm& tpm, const NvSpace& space, ESYS_TR index, bool written)
        : tpm_(&tpm), space_(space), index_(index), written_(written) {}

    Tpm* tpm_;
    NvSpace space_;
    ESYS_TR index_;
    bool written_;
};

}  // namespace pmos::tpm
