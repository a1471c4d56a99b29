// bundle: the version below which no policy is used, as the ledger and a second keeper have it
// together. Decides what counts when the two differ, or one of them says nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "runtime/bundle/ledger.h"

namespace pmos::bundle {

// What whoever writes the phone's storage cannot set back.
class FloorKeeper {
  public:
    virtual ~FloorKeeper() = default;
    // nullopt: it has never kept one. Code::not_found: there is no keeper on this phone, nor a
    // sign of one; one that is expected is worth waiting for.
    virtual Result<std::optional<std::uint64_t>> read(bool expected) = 0;
    // To at least this; never lowers. On the first call it becomes a keeper, also with 0.
    virtual Result<> raise(std::uint64_t version) = 0;
};

// The TPM's NV memory, or what says that this pmos cannot use it.
std::unique_ptr<FloorKeeper> make_tpm_keeper();

enum class FloorIn : std::uint8_t {
    file,          // the ledger alone, whatever it says of a keeper
    tpm_if_there,  // once a TPM has kept it, never without
    tpm,           // not without a TPM
};

class Floor {
  public:
    Floor() = default;  // in the file
    Floor(FloorKeeper* keeper, FloorIn where) : keeper_(keeper), where_(where) {}

    // The higher one of the ledger's and the keeper's. Fails when a keeper has it, by the ledger,
    // and does not tell: what the storage says alone may have been set back.
    Result<> settle(const Ledger& ledger);
    std::uint64_t version() const noexcept { return version_; }
    // The ledger may say so from now on.
    bool keeper_has_it() const noexcept { return kept_.has_value(); }
    void ledger_has(std::uint64_t version);
    // What the ledger has already, of a bundle that is genuine: an invented one would shut the
    // phone for good. A keeper that refuses has another chance at the next start.
    void raise(std::uint64_t version);

    std::string kept_in() const;
    // Why a keeper that is there has not all of it; "" when it has.
    const std::string& fault() const noexcept { return fault_; }

  private:
    FloorKeeper* keeper_ = nullptr;
    FloorIn where_ = FloorIn::file;
    std::uint64_t version_ = 0;
    std::optional<std::uint64_t> kept_;
    std::string fault_;
};

}  // namespace pmos::bundle
