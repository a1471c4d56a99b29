// volume: what pmosd asks of one pmos-volume process and what that answers. One request, one
// process. Plain old data over a SOCK_SEQPACKET pair; a secret only as a descriptor. With the
// request come at most two: the secret, and the other one that its verb takes (the new secret of
// passwd, the duress secret, the file of backup and restore, or of denials, a tunnel's key).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace pmos::volume {

inline constexpr std::uint32_t kRequestMagic = 0x504d5651;  // "PMVQ"
inline constexpr std::uint32_t kEventMagic = 0x504d5645;    // "PMVE"
inline constexpr int kSocketFd = 3;                         // pmos-volume finds its socket here

// What a block device begins with whose volume has its header in a file elsewhere.
inline constexpr std::string_view kApartMark =
    "pmos: an encrypted volume; its header is in a file elsewhere\n";

enum class Verb : std::uint32_t {
    status = 1,  // is it provisioned, is it active
    provision,   // make file, LUKS2 header, keyslot, file system; under a temporary name first
    open,        // activate dm_name
    close,       // deactivate dm_name, free the loop device
    suspend,     // take dm_name's key out of the kernel; a descriptor: memory.reclaim of the mode
    resume,      // give it back, by a secret as for open
    cut_off,     // of one that hangs, suspended or half re-encrypted: let go, by errors; then close
    info = 16,   // all there is to tell of it, as details
    passwd,      // another secret in place of the one that opens it
    backup,      // its header, into a file of the caller's
    restore,     // its header, out of such a file
    resize,      // an open one, to `size` bytes of its file, or to all of its block device
    wipe_free,   // overwrites what deleted files have left in an open one
    reencrypt = 32,  // another volume key, and all data anew; goes on with what was cut short
    trim = 36,       // tells its storage which blocks are free
    auth_list = 48,  // the ways into it, as details
    auth_enroll,     // one more, by `factor`: a method; the other descriptor is its new secret, or
                     // the pipe that is told the one that was made
    auth_remove,     // one less, by `factor`: a method or the number of a keyslot
    auth_test,       // whether a secret opens it
    erase = 56,      // a closed one: nothing opens it any more, and nothing of it is left
    duress,          // another duress secret; without a descriptor for it: none
    keep_denials = 64,  // lines of the other descriptor, into the private part of an open one
    read_denials,       // those that it has, into the other descriptor's file
    // Of an open one: the key of the mode's tunnel, in the private part. All but read tell the
    // public one, as a detail "publicKey".
    tunnel_key_new = 72,
    tunnel_key_import,  // the other descriptor's, in base64 as wg(8) has it
    tunnel_key_read,    // 32 bytes, into the other descriptor's pipe; of each of `peers` 64 behind
                        // them, its public key and the preshared one
    tunnel_key_show,
    preshared_key_import,  // as tunnel_key_import, of the first of `peers`; tells that one
};

enum class KeyKind : std::uint32_t {
    descriptor = 1,  // the secret comes by SCM_RIGHTS with the request, ends at EOF or newline
    device_key,      // key_file, made with 64 random bytes, 0600, when provisioning
    tpm,             // the TPM's, unless a descriptor comes that is not empty
};

// Bytes of lines that keep_denials takes.
inline constexpr std::size_t kMaxLines = 64 << 10;

// Which descriptors come with a request, in this order.
inline constexpr std::uint32_t kBringsSecret = 1, kBringsOther = 2;

// Peers of a tunnel that a request names.
inline constexpr std::size_t kMaxPeers = 64, kPublicKeyBytes = 32;

struct Request {
    std::uint32_t magic = kRequestMagic;
    Verb verb = Verb::status;
    KeyKind key = KeyKind::descriptor;
    std::uint32_t block_device = 0;      // source is a block device, else a file
    std::uint64_t size = 0;              // bytes of a file to be made or grown
    std::uint64_t pbkdf_memory_max = 0;  // bytes; fitted to a share of RAM below this
    std::uint32_t pbkdf_time_ms = 0;
    std::uint32_t key_bits = 512, sector_size = 4096;
    std::uint32_t brings = 0;
    char mode[64]{};
    char name[64]{};
    char dm_name[128]{};
    char source[512]{};
    char key_file[512]{};
    char cipher[64]{};
    char pbkdf[16]{};
    char filesystem[16]{};
    // Of a secret that comes by descriptor: where its wrong ones are counted, on the storage, and
    // the file that tells the last of them again, of this boot.
    char attempts[512]{};
    char repeats[512]{};
    // Where a header is kept while another is written over it, on the storage (undo_header.h).
    char undo[512]{};
    char integrity[24]{};  // "none", "hmac-sha256"
    char discards[8]{};    // "never", "trim", "online"
    char header[512]{};    // the file that holds the header; "": it is on the source
    // Of the ways into it: those that its profile lets open it, "pin|recovery-key"; the one that is
    // meant, "" any; and the public key that its profile gives a way to (escrow.h).
    char methods[128]{};
    char method[32]{};
    char factor[32]{};
    char escrow[64]{};
    // After so many wrong secrets the mode is destroyed; 0: never.
    std::uint32_t erase_after = 0;
    // What the TPM seals to, one bit for each PCR.
    std::uint32_t pcrs = 0;
    // Nothing opens by a PIN but what the TPM counts, and keeps a share of.
    std::uint32_t tpm_throttle = 0;
    // A tunnel's key that is there already goes; 0: it stays, and the verb fails.
    std::uint32_t replaces = 0;
    std::uint64_t peer_count = 0;
    std::uint8_t peers[kMaxPeers][kPublicKeyBytes]{};
    // What is destroyed with it: the mode's other volumes, each "f" (a file) or "b" (a block
    // device), its name, a space, its path, where its header is a file elsewhere a tab and that
    // path, and a newline.
    char others[4096]{};
};

// keys_ended: those of the mode were destroyed on the storage; the answer comes behind it, and
// tells others nothing of it.
enum class EventKind : std::uint32_t { progress = 1, done, failed, detail, keys_ended };

struct Event {
    std::uint32_t magic = kEventMagic;
    EventKind kind = EventKind::progress;
    // progress
    std::uint32_t permille = 0;
    char step[64]{};  // of a detail its name; what is its value
    // done, of status
    std::uint32_t provisioned = 0, unfinished = 0, active = 0, suspended = 0;
    // failed: a pmos::Error; done: why holds what went wrong beside it
    std::uint32_t code = 0;
    std::int32_t sys_errno = 0;
    char what[256]{}, why[256]{}, fix[256]{};
};

static_assert(std::is_trivially_copyable_v<Request> && std::is_trivially_copyable_v<Event>);

}  // namespace pmos::volume
