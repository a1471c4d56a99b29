// tpm: a share of a key that the TPM gives out for the right PIN, and after twenty wrong ones in a
// row never again. Sees no PIN, only what was derived from it.
#include "runtime/tpm/pin_share.h"

#include <sodium.h>

#include <algorithm>

#include "runtime/tpm/dictionary.h"
#include "runtime/tpm/nv.h"
#include "runtime/tpm/pin_index.h"
#include "runtime/tpm/pin_key.h"

namespace pmos::tpm {
namespace {

constexpr auto kNone = ESYS_TR_NONE;

std::unexpected<Error> gone(std::string why) {
    return fail(Code::not_found, "the TPM has no share for this volume", std::move(why), kRecover);
}

Result<> make_secret(Tpm& tpm, Session& session, const PinSpace& space,
                     const SecretBuffer& stretched, const SecretBuffer& bytes) {
    PMOS_ASSIGN(const auto authorisation, derive(stretched, Use::share));
    PMOS_ASSIGN(auto index,
                PinIndex::define(tpm, session, share_public(space), authorisation.bytes()));
    PMOS_ASSIGN(const auto policy, satisfy(tpm, session, space, stretched));
    PMOS_TRY(Session::hide(tpm, policy.get(), Hides::command));
    return index.write(policy.get(), bytes.bytes());
}

Result<PinSpace> free_space(Tpm& tpm, const std::string& owner) {
    PMOS_ASSIGN(const auto taken, nv_handles(tpm, kFirstPin, kLastPin));
    for (PinSpace space{kFirstPin, owner}; is_pin_handle(space.handle); space.handle += 2)
        if (std::ranges::count(taken, space.handle) == 0 &&
            std::ranges::count(taken, space.share_handle()) == 0)
            return space;
    return fail(Code::no_space, "no NV index of the TPM is left for another share");
}

Result<> remove(Tpm& tpm, Session& session, const TPMS_NV_PUBLIC& as) {
    PMOS_ASSIGN(const auto is, PinIndex::look(tpm, as));
    if (is == PinIndex::Is::absent || is == PinIndex::Is::foreign) return {};
    PMOS_ASSIGN(auto index, PinIndex::find(tpm, as));
    return index.undefine(session);
}

Result<> destroy(Tpm& tpm, Session& session, const PinSpace& space) {
    PMOS_TRY(remove(tpm, session, share_public(space)));
    return remove(tpm, session, count_public(space));
}

Result<> check_there(Tpm& tpm, const PinSpace& space) {
    for (const auto& as : {count_public(space), share_public(space)}) {
        PMOS_ASSIGN(const auto is, PinIndex::look(tpm, as));
        if (is == PinIndex::Is::absent) return gone("it was removed, or the TPM was cleared");
        if (is != PinIndex::Is::written) return gone("it is not as it was made");
    }
    return {};
}

Result<SecretBuffer> read_share(Tpm& tpm, Session& session, const PinSpace& space,
                                const SecretBuffer& stretched) {
    PMOS_TRY(check_there(tpm, space));
    PMOS_ASSIGN(const auto policy, satisfy(tpm, session, space, stretched));
    PMOS_ASSIGN(const auto authorisation, derive(stretched, Use::share));
    PMOS_ASSIGN(auto index, PinIndex::find(tpm, share_public(space)));
    PMOS_TRY(index.authorise(authorisation.bytes()));
    PMOS_TRY(Session::hide(tpm, policy.get(), Hides::answer));
    PMOS_ASSIGN(auto bytes, SecretBuffer::make(kShareBytes));
    TPM2B_MAX_NV_BUFFER* data = nullptr;
    const auto rc = patiently([&] {
        return Esys_NV_Read(tpm.get(), index.get(), index.get(), policy.get(), kNone, kNone,
                            kShareBytes, 0, &data);
    });
    if (bare(rc) == TPM2_RC_AUTH_FAIL)
        return fail(Code::wrong_secret, "PIN refused",
                    "the TPM's count was made anew by somebody, the share was not", kRecover);
    if (rc != TSS2_RC_SUCCESS) return fail(tpm_error(rc, "cannot read " + index.what()));
    const TssPtr<TPM2B_MAX_NV_BUFFER> owned(data);
    const bool whole = data->size == kShareBytes;
    if (whole)
        std::ranges::copy(std::as_bytes(std::span(data->buffer, kShareBytes)),
                          bytes.storage().begin());
    sodium_memzero(data, sizeof *data);
    if (!whole) return fail(Code::failed, "cannot read " + index.what(), "it has another size");
    bytes.set_size(kShareBytes);
    return bytes;
}

Result<SecretBuffer> make_in(Tpm& tpm, Session& session, const PinSpace& space,
                             const SecretBuffer& stretched) {
    PMOS_ASSIGN(auto bytes, SecretBuffer::make(kShareBytes));
    randombytes_buf(bytes.storage().data(), kShareBytes);
    bytes.set_size(kShareBytes);
    PMOS_TRY(make_count(tpm, session, space, stretched));
    PMOS_TRY(make_secret(tpm, session, space, stretched, bytes));
    PMOS_ASSIGN(const auto read_back, read_share(tpm, session, space, stretched));
    if (!std::ranges::equal(read_back.bytes(), bytes.bytes()))
        return fail(Code::failed, "the TPM has not kept the volume's share");
    return bytes;
}

}  // namespace

Result<MadeShare> make_share(Tpm& tpm, const std::string& owner, const SecretBuffer& stretched) {
    PMOS_ASSIGN(auto session, Session::start(tpm, std::nullopt));
    PMOS_TRY(shut_lockout(tpm, session));
    PMOS_ASSIGN(const auto space, free_space(tpm, owner));
    auto bytes = make_in(tpm, session, space, stretched);
    if (bytes) return MadeShare{{space, session.key()}, std::move(*bytes)};
    Error cause = std::move(bytes.error());
    if (auto undone = destroy(tpm, session, space); !undone)
        cause.undo_failures.push_back(std::move(undone.error()));
    return fail(std::move(cause));
}

Result<SecretBuffer> open_share(Tpm& tpm, const PinShare& share, const SecretBuffer& stretched) {
    PMOS_ASSIGN(auto session, Session::start(tpm, share.key));
    return read_share(tpm, session, share.space, stretched);
}

Result<PinState> share_state(Tpm& tpm, const PinShare& share) {
    auto session = Session::start(tpm, share.key);
    if (!session && session.error().code == Code::not_found) return PinState{};
    if (!session) return fail(std::move(session.error()));
    auto there = check_there(tpm, share.space);
    if (!there && there.error().code == Code::not_found) return PinState{};
    if (!there) return fail(std::move(there.error()));
    return read_count(tpm, *session, share.space);
}

Result<> destroy_share(Tpm& tpm, const PinSpace& space) {
    PMOS_ASSIGN(auto session, Session::start(tpm, std::nullopt));
    return destroy(tpm, session, space);
}

Result<std::vector<PinSpace>> shares_of(Tpm& tpm, const std::string& owner) {
    PMOS_ASSIGN(const auto taken, nv_handles(tpm, kFirstPin, kLastPin));
    std::vector<PinSpace> found;
    for (const auto handle : taken) {
        const PinSpace space{handle & ~TPM2_HANDLE{1}, owner};
        if (!found.empty() && found.back().handle == space.handle) continue;
        const auto as = handle == space.handle ? count_public(space) : share_public(space);
        PMOS_ASSIGN(const auto is, PinIndex::look(tpm, as));
        if (is == PinIndex::Is::written || is == PinIndex::Is::unwritten) found.push_back(space);
    }
    return found;
}

}  // namespace pmos::tpm
