// volume: libcryptsetup as values and Results. Only crypt*.cpp know its types; never logs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "runtime/volume/keyslot_room.h"
#include "runtime/volume/request.h"

struct crypt_device;

namespace pmos::volume {

class JournalFirst;

struct PbkdfCost {
    std::string type;
    std::uint64_t memory = 0;   // bytes, the most it may take
    std::uint32_t time_ms = 0;  // aimed at by measuring
    bool minimal = false;       // the key is random: no cost, no measuring
    std::uint32_t lanes = 1;    // threads, of a function that knows them
};

// What one guess at a keyslot takes.
struct KeyslotCost {
    std::string type;
    std::uint32_t iterations = 0, memory_kib = 0, lanes = 0;
};

// How a volume is mapped, beside its key: in the header, or while the best is being looked for.
struct MapFlags {
    bool discards = false;
    // Performance: without the kernel's workqueue, on the CPU that asked, or handed on by it.
    bool inline_reads = false, inline_writes = false;
    bool same_cpu = false, submit_from_crypt_cpus = false;
    bool operator==(const MapFlags&) const = default;
};

// The fix of what fails below a volume.
inline constexpr const char* kIsItSound = "is the storage sound? see the kernel log";

// Whichever the secret opens; else that one only. To open by what a person has entered, ask
// opening.h, which knows what may be tried where.
inline constexpr int kAnyKeyslot = -1;

enum class Mapping : std::uint8_t { absent, active, suspended };

// What is said of every wrong secret, whatever found it wrong.
Error refused_secret();

class CryptDevice {
  public:
    // Once, early: libcryptsetup prints to stderr where it has no context to report to.
    static void keep_quiet();
    // Once, early: it would load a library for tokens that it does not know, named by the token,
    // into a process that holds a key.
    static void load_no_plugins();

    // data: where the volume is when its header, at path, is apart from it.
    static Result<CryptDevice> of_device(const std::string& path, const std::string& data = "");
    // An active mapping, whatever made it, and whether or not its header can be read. header: as
    // above.
    static Result<CryptDevice> of_mapping(const std::string& dm_name,
                                          const std::string& header = "");

    CryptDevice(CryptDevice&& other) noexcept;
    CryptDevice& operator=(CryptDevice&& other) noexcept;
    ~CryptDevice();

    // LUKS2 only. A damaged copy of the header is mended from the good one by libcryptsetup
    // (only where the device is writable and carries no foreign signature).
    Result<void> load();
    // libcryptsetup gives an active mapping whose header it cannot read for one without keyslots.
    Result<void> check_loaded();
    Result<void> format(const Request& request);
    Result<void> add_keyslot(const PbkdfCost& cost, std::span<const std::byte> secret);
    // With the volume key that format() left in this context.
    Result<void> map_fresh(const std::string& dm_name);
    // In crypt_integrity.cpp: of a new one with integrity, mapped so that tags need not be right
    // yet; then every sector gets its tag. tell: what fails ends it.
    Result<void> map_untagged(const std::string& dm_name);
    Result<void> write_tags(const std::string& dm_name,
                            const std::function<Result<void>(std::uint32_t permille)>& tell);
    // Code::wrong_secret when no keyslot opens.
    // The keyslot that did; of resume and check_secret as well.
    Result<int> map(const std::string& dm_name, std::span<const std::byte> secret,
                    int keyslot = kAnyKeyslot);
    // Of a mapping: its file system is written out and stands still, the key is overwritten.
    Result<void> suspend(const std::string& dm_name);
    // Code::wrong_secret as above; it stays suspended.
    Result<int> resume(const std::string& dm_name, std::span<const std::byte> secret,
                       int keyslot = kAnyKeyslot);
    Result<int> check_secret(std::span<const std::byte> secret, int keyslot = kAnyKeyslot);
    // Its number.
    Result<int> write_token(const std::string& json);

    // In crypt_keyslots.cpp: what changes the keyslots of a volume that exists. Each is on the
    // storage when it returns, and one that fails or is killed leaves the others as they were.
    struct Unsealed {
        int keyslot = -1;
        SecretBuffer key;
    };
    Result<Unsealed> unseal(std::span<const std::byte> secret, int keyslot = kAnyKeyslot);
    std::optional<int> free_keyslot() const;
    std::vector<int> keyslots() const;
    bool is_keyslot(int slot) const;
    Result<void> add_keyslot(int slot, const PbkdfCost& cost, std::span<const std::byte> key,
                             std::span<const std::byte> secret);
    // The same cost as a keyslot of such a cost has on this phone.
    Result<KeyslotCost> measured(const PbkdfCost& cost) const;
    Result<void> check_keyslot(int slot, std::span<const std::byte> secret);
    Result<void> destroy_keyslot(int slot);
    struct Token {
        int number = -1;
        std::string json;
    };
    std::vector<Token> tokens() const;
    Result<void> replace_token(int number, const std::string& json);
    Result<void> remove_token(int number);
    // Where the storage holds them, in bytes from its beginning.
    std::vector<Area> keyslot_areas() const;
    Result<void> bind_token(int number, int keyslot);
    std::vector<int> tokens_of(int keyslot) const;
    // Code::busy: it is being re-encrypted, and has two volume keys.
    Result<void> check_one_key() const;

    // Those that open the volume, beside `keyslot`, with the kinds of the tokens that are bound to
    // them.
    std::vector<std::string> others_than(int keyslot) const;

    // In crypt_reencrypt.cpp: another volume key, and all data written anew with it. The old key
    // and the new one are both needed from the beginning to the end of it.
    // written: all of the data has the new key, and only the header does not say so to its end.
    enum class Reencryption : std::uint8_t { none, clean, crashed, written, damaged };
    Reencryption reencryption() const;
    // A new key that encrypts nothing yet, in a keyslot of the kind of `like`.
    Result<void> add_next_key(int slot, int like, const PbkdfCost& cost,
                              std::span<const std::byte> secret);
    // Nothing where the slot has no such key.
    Result<void> drop_next_key(int slot);
    // Of the mapping dm_name, or, where that is "", of a volume that is not open. Code::no_space:
    // the header has no room for it.
    Result<void> begin_reencryption(const std::string& dm_name, std::span<const std::byte> secret,
                                    int from, int to);
    // Of one that was cut short in the midst of a piece, and is not open: to that piece's end. Ask
    // mending.h, which can be cut short itself.
    Result<void> mend_piece(std::span<const std::byte> secret);
    // One that was cut short between two pieces.
    Result<void> take_up_reencryption(const std::string& dm_name,
                                      std::span<const std::byte> secret);
    // Bytes, of all bytes; false ends it between two pieces.
    using Going = std::function<bool(std::uint64_t done, std::uint64_t all)>;
    // After one of the two above. False: it was ended.
    Result<bool> run_reencryption(const Going& going);

    // In crypt_token.cpp: a plug-in all the same, by the name that the caller has, not the token.
    // type: what the token has to be, for its plug-in is loaded. The PIN is
    // empty where it has none; parameter is the plug-in's own. Code::wrong_secret; Code::busy, or
    // not_found: its device judges nothing now, or is not there.
    Result<SecretBuffer> passphrase_behind(int token, std::string_view type,
                                           std::span<const std::byte> pin,
                                           void* parameter = nullptr) const;

    // In crypt_online.cpp: what changes an open volume.
    // The volume key into this thread's keyring, where the kernel takes it from for a new table.
    Result<void> load_key(std::span<const std::byte> secret, int keyslot = kAnyKeyslot);
    // To all of the device below.
    Result<void> grow(const std::string& dm_name);
    // Code::unsupported, "a volume with integrity " + refusal.
    Result<void> check_no_integrity(const std::string& refusal) const;

    // In crypt_flags.cpp: what a header keeps for every opening.
    Result<MapFlags> flags() const;
    Result<void> store_flags(const MapFlags& flags);
    // Nothing is written where it is so already.
    Result<void> settle_discards(bool wanted);
    // Of what map_fresh() has mapped.
    Result<void> remap(const std::string& dm_name, const MapFlags& flags);

    // In crypt_describe.cpp: looks only.
    // Name and value of all there is to tell; docs/bus.md has the names.
    std::vector<std::pair<std::string, std::string>> describe() const;
    // Both copies of the metadata and all keyslots.
    std::uint64_t header_bytes() const;
    Result<std::string> metadata() const;  // JSON
    // What tells the volume key from another one without having it.
    Result<std::vector<std::string>> key_digests() const;
    // Out of a file that holds nothing but a header.
    Result<void> restore(const std::string& file);

    bool has_keyslot() const;
    // Empty: the keyslot's key derivation is another.
    std::optional<KeyslotCost> argon2_of(int keyslot) const;
    bool has_complete_token(const Request& request) const;
    std::string uuid() const;
    std::string cipher() const;         // "aes-xts-plain64"
    std::string device() const;         // below the mapping: "/dev/loop0"
    std::string header_device() const;  // the same, or the file with the header

  private:
    struct Context;
    explicit CryptDevice(std::unique_ptr<Context> context);
    Error error(int negative_errno, std::string what, std::string fix = "") const;
    bool is_wrong_secret(int negative_errno) const;
    Error refused(int negative_errno) const;
    Result<int> activate(const char* dm_name, std::span<const std::byte> secret, int keyslot);
    Result<void> set_cost(const PbkdfCost& cost);
    Result<void> check_room_for_next_key(int like) const;
    Reencryption between_pieces() const;
    // While it works, libcryptsetup tells `journal` of its steps.
    int watched_by(JournalFirst& journal, const std::function<int()>& work) const;
    Result<void> ask_for_reencryption(const std::string& dm_name, std::span<const std::byte> secret,
                                      std::uint32_t flags);

    std::unique_ptr<Context> context_;
};

Mapping mapping_state(const std::string& dm_name);
// Nothing to do is a success. Tries again while udev or a late close holds it.
Result<void> unmap(const std::string& dm_name);

}  // namespace pmos::volume
