// volume: libcryptsetup as values and Results: another volume key, and all data written anew with
// it. Never logs.
#include <fmt/core.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "runtime/volume/crypt_context.h"
#include "runtime/volume/journal_first.h"
#include "runtime/volume/rewritten.h"

namespace pmos::volume {
namespace {

// The piece that is written anew at one time. Who uses the volume waits for it where it is, and so
// does whoever ends the work: small enough not to be felt, large enough for the storage.
constexpr std::uint64_t kPiece = 8ULL << 20;
// Of the header, for the journal: with less than this the pieces would be too many.
constexpr std::uint64_t kLeastJournal = 1ULL << 20;

// Always by a journal in the header: with checksums a sector that tears when the power goes is
// taken for the wrong one of the two.
crypt_params_reencrypt parameters(std::uint32_t flags) {
    crypt_params_reencrypt p{};
    p.mode = CRYPT_REENCRYPT_REENCRYPT;
    p.direction = CRYPT_REENCRYPT_FORWARD;
    p.resilience = "journal";
    p.hash = "sha256";
    p.max_hotzone_size = kPiece / 512;
    p.flags = flags;
    return p;
}

const char* name_or_null(const std::string& dm_name) {
    return dm_name.empty() ? nullptr : dm_name.c_str();
}

int on_progress(std::uint64_t all, std::uint64_t done, void* going) noexcept {
    return (*static_cast<const CryptDevice::Going*>(going))(done, all) ? 0 : 1;
}

}  // namespace

CryptDevice::Reencryption CryptDevice::reencryption() const {
    switch (::crypt_reencrypt_status(context_->cd, nullptr)) {
        case CRYPT_REENCRYPT_NONE:
            return Reencryption::none;
        case CRYPT_REENCRYPT_CLEAN:
            return between_pieces();
        case CRYPT_REENCRYPT_CRASH:
            return Reencryption::crashed;
        default:
            return Reencryption::damaged;
    }
}

// libcryptsetup (2.6 to 2.8, _offset_forward) looks at how many parts the data has, not by which
// key: one of which all is written is to it as one that has not begun, and it would read by the old
// key what has the new one.
CryptDevice::Reencryption CryptDevice::between_pieces() const {
    const auto json = metadata();
    switch (json ? rewritten_of(*json) : Rewritten::unclear) {
        case Rewritten::nothing:
        case Rewritten::part:
            return Reencryption::clean;
        case Rewritten::all:
            return Reencryption::written;
        case Rewritten::unclear:
            break;
    }
    return Reencryption::damaged;
}

Result<void> CryptDevice::check_room_for_next_key(int like) const {
    std::uint64_t metadata = 0, keyslots = 0;
    if (::crypt_get_metadata_size(context_->cd, &metadata, &keyslots) != 0)
        return fail(error(-EINVAL, "cannot read the volume's header"));
    const std::vector<Area> taken = keyslot_areas();
    const int free = ::crypt_keyslot_max(CRYPT_LUKS2) - static_cast<int>(taken.size());
    const auto key = static_cast<std::uint64_t>(::crypt_keyslot_get_key_size(context_->cd, like));
    const std::uint64_t gap = largest_gap({2 * metadata, keyslots}, taken);
    // One keyslot for the new key, one for what the work itself notes.
    if (free >= 2 && gap >= keyslot_area(key) + kLeastJournal) return {};
    return fail(Code::no_space, "the volume's header has no room for a second volume key",
                fmt::format("{} keyslots are free, and {} KiB in one piece", free, gap >> 10),
                "see pmosctl volume info");
}

Result<void> CryptDevice::add_next_key(int slot, int like, const PbkdfCost& cost,
                                       std::span<const std::byte> secret) {
    PMOS_TRY(check_room_for_next_key(like));
    PMOS_TRY(set_cost(cost));
    std::size_t size = 0;
    if (const char* cipher = ::crypt_keyslot_get_encryption(context_->cd, like, &size))
        ::crypt_keyslot_set_encryption(context_->cd, std::string(cipher).c_str(), size);
    const auto key = static_cast<std::size_t>(::crypt_get_volume_key_size(context_->cd));
    const int r = ::crypt_keyslot_add_by_key(context_->cd, slot, nullptr, key, chars(secret),
                                             secret.size(), CRYPT_VOLUME_KEY_NO_SEGMENT);
    if (r >= 0) return {};
    Error e = error(r, "cannot store the new key in the volume's header");
    if (r == -ENOMEM) e = no_memory(std::move(e));
    return fail(std::move(e));
}

Result<void> CryptDevice::drop_next_key(int slot) {
    if (::crypt_keyslot_status(context_->cd, slot) != CRYPT_SLOT_UNBOUND) return {};
    const int r = ::crypt_keyslot_destroy(context_->cd, slot);
    if (r >= 0) return {};
    return fail(error(r, fmt::format("cannot destroy keyslot {}", slot)));
}

Result<void> CryptDevice::begin_reencryption(const std::string& dm_name,
                                             std::span<const std::byte> secret, int from, int to) {
    const std::string cipher = ::crypt_get_cipher(context_->cd);
    const std::string mode = ::crypt_get_cipher_mode(context_->cd);
    crypt_params_luks2 luks{};
    luks.sector_size = static_cast<std::uint32_t>(::crypt_get_sector_size(context_->cd));
    auto p = parameters(0);
    p.luks2 = &luks;
    const int r = ::crypt_reencrypt_init_by_passphrase(context_->cd, name_or_null(dm_name),
                                                       chars(secret), secret.size(), from, to,
                                                       cipher.c_str(), mode.c_str(), &p);
    if (r >= 0) return {};
    Error e = error(r, "cannot begin to re-encrypt the volume");
    if (r == -ENOMEM) e = no_memory(std::move(e));
    return fail(std::move(e));
}

Result<void> CryptDevice::ask_for_reencryption(const std::string& dm_name,
                                               std::span<const std::byte> secret,
                                               std::uint32_t flags) {
    const auto p = parameters(flags);
    const int r = ::crypt_reencrypt_init_by_passphrase(context_->cd, name_or_null(dm_name),
                                                       chars(secret), secret.size(), CRYPT_ANY_SLOT,
                                                       CRYPT_ANY_SLOT, nullptr, nullptr, &p);
    if (r >= 0) return {};
    if (is_wrong_secret(r)) return fail(refused_secret());
    Error e = error(r, "cannot go on with re-encrypting the volume");
    if (r == -ENOMEM) e = no_memory(std::move(e));
    return fail(std::move(e));
}

int CryptDevice::watched_by(JournalFirst& journal, const std::function<int()>& work) const {
    context_->overhear = [&](std::string_view step) { journal.before(step); };
    ::crypt_set_debug_level(CRYPT_DEBUG_ALL);
    const int r = work();
    ::crypt_set_debug_level(CRYPT_DEBUG_NONE);
    context_->overhear = nullptr;
    return r;
}

Result<void> CryptDevice::mend_piece(std::span<const std::byte> secret) {
    PMOS_ASSIGN(auto journal, JournalFirst::on(header_device(), device()));
    Result<void> mended;
    watched_by(journal, [&] {
        mended = ask_for_reencryption("", secret, CRYPT_REENCRYPT_RECOVERY);
        return 0;
    });
    PMOS_TRY(std::move(mended));
    return journal.held();
}

Result<void> CryptDevice::take_up_reencryption(const std::string& dm_name,
                                               std::span<const std::byte> secret) {
    if (reencryption() == Reencryption::clean)
        return ask_for_reencryption(dm_name, secret, CRYPT_REENCRYPT_RESUME_ONLY);
    return fail(Code::failed, "cannot go on with re-encrypting the volume",
                "it was not cut short between two pieces");
}

Result<bool> CryptDevice::run_reencryption(const Going& going) {
    if (reencryption() == Reencryption::none) return true;
    PMOS_ASSIGN(auto journal, JournalFirst::on(header_device(), device()));
    std::optional<Error> unsafe;
    bool begun = false;
    const Going watched = [&](std::uint64_t done, std::uint64_t all) {
        // Called before the first piece, after each, and once more at the end.
        if (std::exchange(begun, true) && done < all)
            if (auto held = journal.held(); !held) unsafe = std::move(held.error());
        return going(done, all) && !unsafe;
    };
    const int r = watched_by(journal, [&] {
        return ::crypt_reencrypt_run(context_->cd, &on_progress, const_cast<Going*>(&watched));
    });
    if (unsafe) return fail(std::move(*unsafe));
    // Who asks for an end too late does not get one.
    if (r >= 0) return reencryption() == Reencryption::none;
    return fail(error(r, "the volume could not be re-encrypted to its end",
                      "lock it and unlock it: what was written then is mended first"));
}

}  // namespace pmos::volume
