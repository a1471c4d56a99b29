// volume: another volume key for a volume: all its data is written anew, while it is in use or
// closed. Cut short at any moment it is whole, by the same secret, and the same request goes on.
#include <fmt/core.h>

#include <optional>
#include <span>

#include "runtime/volume/cost.h"
#include "runtime/volume/header.h"
#include "runtime/volume/helpers.h"
#include "runtime/volume/key_rotation.h"
#include "runtime/volume/mending.h"
#include "runtime/volume/method.h"
#include "runtime/volume/opening.h"
#include "runtime/volume/recover.h"
#include "runtime/volume/worker.h"

namespace pmos::volume {
namespace {

constexpr const char* kAtWork = "re-encrypting";

class Rewriting {
  public:
    Rewriting(const Request& request, Channel& channel) : request_(request), channel_(channel) {}

    Result<Event> run(const SecretBuffer& secret) {
        PMOS_ASSIGN(auto header, Header::open(request_, false));
        CryptDevice& crypt = header.crypt();
        PMOS_TRY(check(header));
        if (header.mapping() == Mapping::active) dm_name_ = text(request_.dm_name);
        PMOS_TRY(channel_.progress(0, opening_step(request_, crypt, secret, "trying the secret")));
        PMOS_ASSIGN(const std::string not_kept, begin(crypt, secret));
        PMOS_TRY(rewrite(crypt));
        const auto settled = settle_rotation(crypt);
        // The data is what counts: a mark too many goes with the next opening.
        if (!settled) PMOS_TRY(channel_.detail("unsettled", settled.error().message()));
        Event event;
        event.kind = EventKind::done;
        not_kept.copy(event.why, sizeof event.why - 1);
        event.provisioned = 1;
        event.active = dm_name_.empty() ? 0 : 1;
        return event;
    }

  private:
    Result<void> check(Header& header) const {
        using enum CryptDevice::Reencryption;
        PMOS_TRY(header.crypt().check_no_integrity("cannot be re-encrypted"));
        const auto state = header.crypt().reencryption();
        if (state == damaged)
            return fail(Code::failed, "what the header says of re-encryption makes no sense", "",
                        "nothing has been written; see cryptsetup-repair(8)");
        const bool mends = state == crashed || state == written;
        const bool in_use = mends && header.mapping() != Mapping::absent;
        if (!in_use && !has_helpers(text(request_.dm_name))) return {};
        const auto mode = text(request_.mode);
        return fail(Code::busy, name_of(request_) + " has to be closed first",
                    "it was being re-encrypted while it was open, and that was killed",
                    fmt::format("pmosctl lock --evict {}, then unlock it", mode));
    }

    // What comes back is what judge() has to tell.
    Result<std::string> begin(CryptDevice& crypt, const SecretBuffer& secret) {
        const auto before = crypt.reencryption();
        PMOS_TRY(prepare_mending(request_, crypt));
        std::optional<SecretBuffer> passphrase;
        const auto try_it = [&](int slot, std::span<const std::byte> bytes) -> Result<void> {
            if (crypt.reencryption() != CryptDevice::Reencryption::none) return go_on(crypt, bytes);
            PMOS_TRY(crypt.check_secret(bytes, slot));
            PMOS_ASSIGN(passphrase, copy_secret(bytes));
            return {};
        };
        PMOS_ASSIGN(Opened opened, open_judged(request_, crypt, channel_, secret, try_it));
        if (before != CryptDevice::Reencryption::none) return std::move(opened.not_kept);
        PMOS_TRY(channel_.progress(0, "making a new key"));
        PMOS_TRY(begin_rotation(crypt, dm_name_, opened.keyslot, cost_of(request_),
                                passphrase->bytes()));
        return std::move(opened.not_kept);
    }

    // What was mended may have been the last piece.
    Result<void> go_on(CryptDevice& crypt, std::span<const std::byte> passphrase) {
        PMOS_TRY(mend_piece(request_, crypt, passphrase));
        if (crypt.reencryption() == CryptDevice::Reencryption::none) return {};
        return crypt.take_up_reencryption(dm_name_, passphrase);
    }

    Result<void> rewrite(CryptDevice& crypt) {
        std::uint64_t permille = 0;
        PMOS_ASSIGN(
            const bool whole, crypt.run_reencryption([&](std::uint64_t done, std::uint64_t all) {
                permille = all == 0 ? 1000 : done * 1000 / all;
                return channel_.progress(static_cast<std::uint32_t>(permille), kAtWork).has_value();
            }));
        if (whole) return {};
        return fail(Code::cancelled,
                    fmt::format("re-encryption was stopped at {} %", permille / 10),
                    "the volume is whole, and opens as before",
                    fmt::format("pmosctl volume reencrypt {} goes on", text(request_.mode)));
    }

    const Request& request_;
    Channel& channel_;
    std::string dm_name_;  // "": it is not open
};

}  // namespace

Result<Event> reencrypt(const Request& request, UniqueFd secret_fd, Channel& channel) {
    PMOS_TRY(check_complete(request));
    PMOS_ASSIGN(const auto secret, read_secret_of(request, secret_fd));
    PMOS_TRY(channel.catch_signals());
    PMOS_ASSIGN(const auto turn, take_turn(request));
    return Rewriting(request, channel).run(secret);
}

}  // namespace pmos::volume
