// tpm: one NV index of a pair behind a PIN: found, made, authorised, removed. Knows no PIN.
#include "runtime/tpm/pin_index.h"

#include <fmt/format.h>
#include <sodium.h>

#include <cstring>

#include "runtime/tpm/nv.h"

namespace pmos::tpm {
namespace {

constexpr auto kNone = ESYS_TR_NONE;

std::string what_of(const TPMS_NV_PUBLIC& index) {
    return fmt::format("the TPM's NV index {:#x}", index.nvIndex);
}

bool same(const TPM2B_NAME& a, const TPM2B_NAME& b) {
    return a.size == b.size && std::memcmp(a.name, b.name, a.size) == 0;
}

TPMS_NV_PUBLIC before_writing(TPMS_NV_PUBLIC index) {
    index.attributes &= ~TPMA_NV_WRITTEN;
    return index;
}

// For the time of one call.
struct Authorisation {
    TPM2B_AUTH value{};

    explicit Authorisation(std::span<const std::byte> bytes) {
        value.size = static_cast<std::uint16_t>(std::min(bytes.size(), sizeof value.buffer));
        std::memcpy(value.buffer, bytes.data(), value.size);
    }
    ~Authorisation() { sodium_memzero(&value, sizeof value); }
    Authorisation(const Authorisation&) = delete;
    Authorisation& operator=(const Authorisation&) = delete;
};

// By its Name: the library asks for its public part, and whatever is said of that on the way, the
// Name is what each authorisation proves.
Result<ESYS_TR> take(Tpm& tpm, const TPMS_NV_PUBLIC& as, TPM2B_NAME& name) {
    ESYS_TR index = kNone;
    const auto rc = patiently(
        [&] { return Esys_TR_FromTPMPublic(tpm.get(), as.nvIndex, kNone, kNone, kNone, &index); });
    if (rc != TSS2_RC_SUCCESS) return fail(tpm_error(rc, "cannot look at " + what_of(as)));
    TPM2B_NAME* found = nullptr;
    if (const auto no = Esys_TR_GetName(tpm.get(), index, &found); no != TSS2_RC_SUCCESS)
        return fail(tpm_error(no, "cannot look at " + what_of(as)));
    const TssPtr<TPM2B_NAME> owned(found);
    name = *found;
    return index;
}

}  // namespace

PinIndex::~PinIndex() {
    if (index_ != kNone) Esys_TR_Close(tpm_->get(), &index_);
}

std::string PinIndex::what() const { return what_of(as_); }

Result<PinIndex::Is> PinIndex::look(Tpm& tpm, const TPMS_NV_PUBLIC& as) {
    PMOS_ASSIGN(const auto there, nv_handles(tpm, as.nvIndex, as.nvIndex));
    if (there.empty()) return Is::absent;
    TPM2B_NAME name{};
    PMOS_ASSIGN(const ESYS_TR index, take(tpm, as, name));
    const PinIndex closed(tpm, as, index);
    if (same(name, name_of(as))) return Is::written;
    return same(name, name_of(before_writing(as))) ? Is::unwritten : Is::foreign;
}

Result<PinIndex> PinIndex::find(Tpm& tpm, const TPMS_NV_PUBLIC& as) {
    TPM2B_NAME name{};
    PMOS_ASSIGN(const ESYS_TR index, take(tpm, as, name));
    return PinIndex(tpm, as, index);
}

Result<PinIndex> PinIndex::define(Tpm& tpm, Session& session, const TPMS_NV_PUBLIC& as,
                                  std::span<const std::byte> authorisation) {
    const Authorisation secret(authorisation);
    TPM2B_NV_PUBLIC wanted{};
    wanted.nvPublic = before_writing(as);
    PMOS_ASSIGN(const ESYS_TR owner, session.proof(Hides::command));
    ESYS_TR index = kNone;
    const auto rc = patiently([&] {
        return Esys_NV_DefineSpace(tpm.get(), ESYS_TR_RH_OWNER, owner, kNone, kNone, &secret.value,
                                   &wanted, &index);
    });
    if (rc == TSS2_RC_SUCCESS) return PinIndex(tpm, as, index);
    auto error = tpm_error(rc, "cannot make " + what_of(as));
    if (bare(rc) == TPM2_RC_NV_SPACE) error.code = Code::no_space;
    return fail(std::move(error));
}

Result<> PinIndex::authorise(std::span<const std::byte> authorisation) {
    const Authorisation secret(authorisation);
    const auto rc = Esys_TR_SetAuth(tpm_->get(), index_, &secret.value);
    if (rc == TSS2_RC_SUCCESS) return {};
    return fail(tpm_error(rc, "cannot authorise " + what()));
}

Result<> PinIndex::write(ESYS_TR by, std::span<const std::byte> bytes) {
    TPM2B_MAX_NV_BUFFER data{};
    if (bytes.size() != as_.dataSize || bytes.size() > sizeof data.buffer)
        return fail(Code::usage, "cannot write " + what(),
                    fmt::format("it has {} bytes, not {}", as_.dataSize, bytes.size()));
    data.size = as_.dataSize;
    std::memcpy(data.buffer, bytes.data(), bytes.size());
    const auto rc = patiently(
        [&] { return Esys_NV_Write(tpm_->get(), index_, index_, by, kNone, kNone, &data, 0); });
    sodium_memzero(&data, sizeof data);
    if (rc == TSS2_RC_SUCCESS) return {};
    return fail(tpm_error(rc, "cannot write " + what()));
}

Result<> PinIndex::undefine(Session& session) {
    PMOS_ASSIGN(const ESYS_TR owner, session.proof(Hides::nothing));
    const auto rc = patiently([&] {
        return Esys_NV_UndefineSpace(tpm_->get(), ESYS_TR_RH_OWNER, index_, owner, kNone, kNone);
    });
    if (rc != TSS2_RC_SUCCESS) return fail(tpm_error(rc, "cannot remove " + what()));
    index_ = kNone;  // closed with it
    return {};
}

}  // namespace pmos::tpm
