// volume: what a Request must be before anything is touched. Pure: no host reads, no secrets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/volume/protocol.h"

namespace pmos::volume {

inline constexpr std::size_t kDeviceKeyBytes = 64;
inline constexpr std::size_t kMaxSecret = 512;
// No volume is made with less, so less is wrong without being judged.
inline constexpr std::size_t kMinSecret = 4;
inline constexpr std::uint64_t kHeaderBytes = 16ULL << 20;  // LUKS2's own default
// What a volume whose header is apart leaves free before its data, as if the header were there: as
// many keyslots fit into it then. A block device tells there that it is one (apart.h).
inline constexpr std::uint64_t kApartOffset = kHeaderBytes;
inline constexpr std::uint64_t kMinSize = 2 * kHeaderBytes;

template <std::size_t N>
std::string_view text(const char (&field)[N]) {
    return {field, ::strnlen(field, N)};
}

Result<void> check_request(const Request& request);

// Whether a secret of this verb is counted, so that it must come where the volume has one.
bool judges(Verb verb);

// What the machine knows by itself: nobody entered it, and none of it is wrong.
inline bool is_unasked(const Request& request, std::span<const std::byte> entered) {
    return request.key == KeyKind::device_key || (request.key == KeyKind::tpm && entered.empty());
}

inline bool has_integrity(const Request& request) {
    return !text(request.integrity).empty() && text(request.integrity) != "none";
}
// By its policy; what its header says is brought in line with it at each opening.
inline bool may_discard(const Request& request) {
    return !text(request.discards).empty() && text(request.discards) != "never";
}

// The mode's other volumes, as request.others names them.
struct OtherVolume {
    bool block_device = false;
    std::string name, source;
    std::string header;  // "": on the source
};
std::vector<OtherVolume> other_volumes(const Request& request);

struct CipherSpec {
    std::string cipher, mode;  // "aes", "xts-plain64", as crypt_format(3) takes them
};
Result<CipherSpec> split_cipher(std::string_view spec);

// While it is made, a volume is mapped under this name and its file is source + kTemporarySuffix +
// random.
inline constexpr std::string_view kTemporarySuffix = ".tmp-";
std::string temporary_dm_name(std::string_view dm_name);

// The LUKS2 token that is written last. Names are checked by check_request, so nothing needs
// escaping.
std::string complete_token(const Request& request);
// json is the token as crypt_token_json_get(3) gives it: no white space.
bool is_complete_token(const Request& request, std::string_view json);

}  // namespace pmos::volume
