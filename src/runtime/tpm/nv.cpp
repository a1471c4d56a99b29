// tpm: an NV index: a few bytes that the TPM keeps by itself. Knows nothing of what they mean.
#include "runtime/tpm/nv.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace pmos::tpm {
namespace {

constexpr auto kNone = ESYS_TR_NONE;

std::string name_of(const NvSpace& space) {
    return fmt::format("the TPM's NV index {:#x}", space.handle);
}

// Made by the platform's hierarchy is good too: it survives when the TPM is cleared.
bool is_ours(const TPMS_NV_PUBLIC& is, const NvSpace& space) {
    constexpr TPMA_NV kMayDiffer = TPMA_NV_WRITTEN | TPMA_NV_PLATFORMCREATE;
    return (is.attributes & ~kMayDiffer) == space.attributes && is.dataSize == space.size &&
           is.authPolicy.size == 0;
}

}  // namespace

// Asked as a list, because asking for an index that is not there is an error like any other.
Result<std::vector<TPM2_HANDLE>> nv_handles(Tpm& tpm, TPM2_HANDLE first, TPM2_HANDLE last) {
    std::vector<TPM2_HANDLE> there;
    for (TPMI_YES_NO more = TPM2_YES; more == TPM2_YES && first <= last;) {
        TPMS_CAPABILITY_DATA* found = nullptr;
        const auto rc = patiently([&] {
            return Esys_GetCapability(tpm.get(), kNone, kNone, kNone, TPM2_CAP_HANDLES, first,
                                      last - first + 1, &more, &found);
        });
        if (rc != TSS2_RC_SUCCESS)
            return fail(tpm_error(rc, "cannot ask the TPM for its NV indices"));
        const TssPtr<TPMS_CAPABILITY_DATA> owned(found);
        const auto& handles = found->data.handles;
        if (handles.count == 0) break;
        for (const auto handle : std::span(handles.handle, handles.count))
            if (handle <= last) there.push_back(handle);
        first = handles.handle[handles.count - 1] + 1;
    }
    return there;
}

Result<std::optional<NvIndex>> NvIndex::find(Tpm& tpm, const NvSpace& space) {
    PMOS_ASSIGN(const auto there, nv_handles(tpm, space.handle, space.handle));
    if (there.empty()) return std::nullopt;
    const std::string what = fmt::format("cannot look at {}", name_of(space));
    ESYS_TR index = kNone;
    auto rc = patiently([&] {
        return Esys_TR_FromTPMPublic(tpm.get(), space.handle, kNone, kNone, kNone, &index);
    });
    if (rc != TSS2_RC_SUCCESS) return fail(tpm_error(rc, what));
    TPM2B_NV_PUBLIC* found = nullptr;
    rc = patiently(
        [&] { return Esys_NV_ReadPublic(tpm.get(), index, kNone, kNone, kNone, &found, nullptr); });
    if (rc != TSS2_RC_SUCCESS) return fail(tpm_error(rc, what));
    const TssPtr<TPM2B_NV_PUBLIC> owned(found);
    const auto& is = found->nvPublic;
    if (!is_ours(is, space))
        return fail(
            Code::already_exists, fmt::format("{} is not used", name_of(space)),
            fmt::format("it is not one of pmos: attributes {:#x} for {:#x}, {} bytes for {}",
                        is.attributes, space.attributes, is.dataSize, space.size),
            fmt::format("if nobody needs it: tpm2_nvundefine {:#x}", space.handle));
    return NvIndex(tpm, space, index, (is.attributes & TPMA_NV_WRITTEN) != 0);
}

Result<NvIndex> NvIndex::define(Tpm& tpm, const NvSpace& space) {
    const TPM2B_AUTH no_password{};
    TPM2B_NV_PUBLIC wanted{};
    wanted.nvPublic.nvIndex = space.handle;
    wanted.nvPublic.nameAlg = TPM2_ALG_SHA256;
    wanted.nvPublic.attributes = space.attributes;
    wanted.nvPublic.dataSize = space.size;
    ESYS_TR index = kNone;
    const auto rc = patiently([&] {
        return Esys_NV_DefineSpace(tpm.get(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, kNone, kNone,
                                   &no_password, &wanted, &index);
    });
    if (rc == TSS2_RC_SUCCESS) return NvIndex(tpm, space, index, false);
    auto error = tpm_error(rc, fmt::format("cannot make {}", name_of(space)));
    error.fix = "an owner who has set a password makes it beforehand; see docs/bundles.md, Floor";
    return fail(std::move(error));
}

Result<std::vector<std::byte>> NvIndex::read() const {
    TPM2B_MAX_NV_BUFFER* data = nullptr;
    const auto rc = patiently([&] {
        return Esys_NV_Read(tpm_->get(), index_, index_, ESYS_TR_PASSWORD, kNone, kNone,
                            space_.size, 0, &data);
    });
    if (rc != TSS2_RC_SUCCESS)
        return fail(tpm_error(rc, fmt::format("cannot read {}", name_of(space_))));
    const TssPtr<TPM2B_MAX_NV_BUFFER> owned(data);
    if (data->size != space_.size)
        return fail(Code::failed, fmt::format("cannot read {}", name_of(space_)),
                    fmt::format("it gave {} bytes, not {}", data->size, space_.size));
    const auto bytes = std::as_bytes(std::span(data->buffer, data->size));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
}

Result<> NvIndex::write(std::span<const std::byte> bytes) {
    TPM2B_MAX_NV_BUFFER data{};
    if (bytes.size() != space_.size || bytes.size() > sizeof data.buffer)
        return fail(Code::usage, fmt::format("cannot write {}", name_of(space_)),
                    fmt::format("it has {} bytes, not {}", space_.size, bytes.size()));
    data.size = space_.size;
    std::ranges::copy(bytes, std::as_writable_bytes(std::span(data.buffer)).begin());
    const auto rc = patiently([&] {
        return Esys_NV_Write(tpm_->get(), index_, index_, ESYS_TR_PASSWORD, kNone, kNone, &data, 0);
    });
    if (rc != TSS2_RC_SUCCESS)
        return fail(tpm_error(rc, fmt::format("cannot write {}", name_of(space_))));
    written_ = true;
    return {};
}

}  // namespace pmos::tpm
