// bundle: the version below which no policy is used, as the ledger and a second keeper have it
// together. Decides what counts when the two differ, or one of them says nothing.
#include "runtime/bundle/floor.h"

#include <algorithm>

namespace pmos::bundle {
namespace {

std::unexpected<Error> unknown(Error why) {
    why.why = why.message();
    why.what = "the version floor of policies is not known";
    if (why.fix.empty()) why.fix = "see docs/bundles.md, Recovery";
    return fail(std::move(why));
}

}  // namespace

Result<> Floor::settle(const Ledger& ledger) {
    version_ = ledger.floor;
    kept_.reset();
    fault_.clear();
    if (where_ == FloorIn::file || keeper_ == nullptr) return {};
    const bool needed = where_ == FloorIn::tpm || ledger.in_keeper;
    auto kept = keeper_->read(needed);
    if (!kept) {
        if (needed) return unknown(std::move(kept.error()));
        if (kept.error().code != Code::not_found) fault_ = kept.error().message();
        return {};
    }
    if (!*kept) {
        if (ledger.in_keeper) {
            Error gone;
            gone.what = "the TPM has lost it";
            gone.why = "it was cleared, or is another one";
            return unknown(std::move(gone));
        }
        // From here on, so that a phone that has lost its TPM is not taken for one without.
        if (auto begun = keeper_->raise(0); !begun) {
            if (needed) return unknown(std::move(begun.error()));
            fault_ = begun.error().message();
            return {};
        }
        *kept = 0;
    }
    kept_ = *kept;
    version_ = std::max(version_, *kept_);
    return {};
}

void Floor::ledger_has(std::uint64_t version) { version_ = std::max(version_, version); }

void Floor::raise(std::uint64_t version) {
    if (!kept_ || *kept_ >= version) return;
    if (const auto raised = keeper_->raise(version); !raised)
        fault_ = raised.error().message();
    else
        kept_ = version;
}

std::string Floor::kept_in() const { return kept_ && fault_.empty() ? "file and TPM" : "file"; }

}  // namespace pmos::bundle
