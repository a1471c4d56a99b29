// volume: what a Request must be before anything is touched. Pure: no host reads, no secrets.
#include "runtime/volume/request.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "policy/luks.h"
#include "policy/names.h"

namespace pmos::volume {
namespace {

constexpr std::size_t kMaxDmName = 123;  // DM_NAME_LEN without ".tmp" and the NUL

std::unexpected<Error> bad(std::string what) {
    return fail(Code::usage, "volume request refused", std::move(what));
}

bool is_name(std::string_view name) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    };
    return !name.empty() && name[0] >= 'a' && name[0] <= 'z' && std::ranges::all_of(name, allowed);
}

bool is_plain_path(std::string_view path) {
    if (path.size() < 2 || path[0] != '/' || path.back() == '/') return false;
    return path.find("/../") == std::string_view::npos && !path.ends_with("/..") &&
           std::ranges::all_of(path, [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

bool has_item(std::string_view list, std::string_view item) {
    return std::ranges::any_of(policy::split_list(list), [&](auto word) { return word == item; });
}

bool is_verb(Verb verb) {
    return (verb >= Verb::status && verb <= Verb::cut_off) ||
           (verb >= Verb::info && verb <= Verb::wipe_free) || verb == Verb::reencrypt ||
           verb == Verb::trim || (verb >= Verb::auth_list && verb <= Verb::auth_test) ||
           verb == Verb::erase || verb == Verb::duress || verb == Verb::keep_denials ||
           verb == Verb::read_denials ||
           (verb >= Verb::tunnel_key_new && verb <= Verb::preshared_key_import);
}

template <std::size_t N>
bool is_terminated(const char (&field)[N]) {
    return ::strnlen(field, N) < N;
}

Result<void> check_names(const Request& r) {
    if (!is_terminated(r.mode) || !is_terminated(r.name) || !is_terminated(r.dm_name) ||
        !is_terminated(r.source) || !is_terminated(r.key_file) || !is_terminated(r.cipher) ||
        !is_terminated(r.pbkdf) || !is_terminated(r.filesystem) || !is_terminated(r.attempts) ||
        !is_terminated(r.repeats) || !is_terminated(r.undo) || !is_terminated(r.integrity) ||
        !is_terminated(r.discards) || !is_terminated(r.header) || !is_terminated(r.methods) ||
        !is_terminated(r.method) || !is_terminated(r.factor) || !is_terminated(r.escrow) ||
        !is_terminated(r.others))
        return bad("a text is not terminated");
    if (!is_name(text(r.mode)) || !is_name(text(r.name)))
        return bad("mode and volume names are lower case letters, digits and dashes");
    if (text(r.dm_name) != fmt::format("pmos-{}-{}", text(r.mode), text(r.name)))
        return bad(fmt::format("device name '{}' is not pmos-MODE-VOLUME", text(r.dm_name)));
    if (text(r.dm_name).size() > kMaxDmName) return bad("the device name is too long");
    if (!is_plain_path(text(r.source)))
        return bad(fmt::format("source '{}' is not an absolute path", text(r.source)));
    if (r.key == KeyKind::device_key && !is_plain_path(text(r.key_file)))
        return bad(fmt::format("key file '{}' is not an absolute path", text(r.key_file)));
    if (!text(r.header).empty() && !is_plain_path(text(r.header)))
        return bad(fmt::format("header '{}' is not an absolute path", text(r.header)));
    if (!text(r.discards).empty() && !has_item(policy::kDiscards, text(r.discards)))
        return bad(fmt::format("unknown policy of discards '{}'", text(r.discards)));
    if ((r.verb == Verb::restore || r.verb == Verb::erase) && !is_plain_path(text(r.undo)))
        return bad("no place is named where the header is kept meanwhile");
    if (judges(r.verb) && r.key != KeyKind::device_key &&
        (!is_plain_path(text(r.attempts)) || !is_plain_path(text(r.repeats))))
        return bad("no place is named where wrong secrets are counted");
    for (const auto& other : other_volumes(r))
        if (!is_name(other.name) || !is_plain_path(other.source) ||
            (!other.header.empty() && !is_plain_path(other.header)))
            return bad("another volume has no name or no absolute path");
    return {};
}

Result<void> check_pbkdf(const Request& r) {
    if (text(r.pbkdf) != "argon2id" && text(r.pbkdf) != "argon2i" && text(r.pbkdf) != "pbkdf2")
        return bad(fmt::format("unknown key derivation '{}'", text(r.pbkdf)));
    return {};
}

Result<void> check_size(const Request& r) {
    if (r.block_device != 0) return {};
    if (r.size < kMinSize)
        return bad(
            fmt::format("a volume of {} bytes is too small, {} are needed", r.size, kMinSize));
    if (r.size % r.sector_size != 0)
        return bad(fmt::format("size {} is not a multiple of the sector size", r.size));
    return {};
}

Result<void> check_format(const Request& r) {
    PMOS_TRY(split_cipher(text(r.cipher)));
    constexpr std::array<std::uint32_t, 4> kSectors{512, 1024, 2048, 4096};
    if (std::ranges::find(kSectors, r.sector_size) == kSectors.end())
        return bad(fmt::format("sector size {} is not 512, 1024, 2048 or 4096", r.sector_size));
    if (r.key_bits == 0 || r.key_bits % 8 != 0 || r.key_bits > 1024)
        return bad(fmt::format("key size {} bits is not possible", r.key_bits));
    if (!text(r.integrity).empty() && text(r.integrity) != "none" &&
        text(r.integrity) != "hmac-sha256")
        return bad(fmt::format("unknown integrity '{}'", text(r.integrity)));
    PMOS_TRY(check_pbkdf(r));
    if (text(r.filesystem) != "ext4")
        return fail(Code::unsupported,
                    fmt::format("cannot make a file system of type '{}'", text(r.filesystem)),
                    "this build makes ext4 only", "set the volume's filesystem to \"ext4\"");
    return check_size(r);
}

}  // namespace

Result<void> check_request(const Request& r) {
    if (r.magic != kRequestMagic) return bad("not a volume request");
    if (!is_verb(r.verb)) return bad("unknown verb");
    if (r.key != KeyKind::descriptor && r.key != KeyKind::device_key && r.key != KeyKind::tpm)
        return bad("unknown kind of key");
    if (r.pcrs >> 24U != 0) return bad("a TPM has the PCRs 0 to 23");
    if (r.replaces > 1) return bad("a key is replaced or it is not");
    if (r.peer_count > kMaxPeers || (r.verb == Verb::preshared_key_import && r.peer_count != 1))
        return bad("these are too many or too few peers");
    if (r.block_device > 1) return bad("source is neither a file nor a block device");
    PMOS_TRY(check_names(r));
    if (r.verb == Verb::provision) return check_format(r);
    if (r.verb == Verb::passwd || r.verb == Verb::reencrypt || r.verb == Verb::auth_enroll)
        return check_pbkdf(r);
    if (r.verb == Verb::resize) return check_size(r);
    return {};
}

bool judges(Verb verb) {
    return verb == Verb::provision || verb == Verb::open || verb == Verb::resume ||
           verb == Verb::passwd || verb == Verb::resize || verb == Verb::reencrypt ||
           verb == Verb::auth_enroll || verb == Verb::auth_remove || verb == Verb::auth_test ||
           verb == Verb::duress;
}

std::vector<OtherVolume> other_volumes(const Request& request) {
    std::vector<OtherVolume> found;
    std::string_view rest = text(request.others);
    while (!rest.empty()) {
        const auto line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        const auto space = line.find(' ');
        if (line.empty()) continue;
        if (space == line.npos) return {OtherVolume()};  // which check_request() refuses
        const auto paths = line.substr(space + 1);
        const auto tab = std::min(paths.find('\t'), paths.size());
        const auto header = paths.substr(std::min(tab + 1, paths.size()));
        if (tab < paths.size() && header.empty()) return {OtherVolume()};
        found.push_back({line[0] == 'b', std::string(line.substr(1, space - 1)),
                         std::string(paths.substr(0, tab)), std::string(header)});
    }
    return found;
}

Result<CipherSpec> split_cipher(std::string_view spec) {
    const auto dash = spec.find('-');
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == ',' ||
               c == '(' || c == ')' || c == ':' || c == '_';
    };
    if (dash == std::string_view::npos || dash == 0 || dash + 1 == spec.size() ||
        !std::ranges::all_of(spec, allowed))
        return fail(Code::usage, fmt::format("'{}' is not a cipher", spec), "",
                    "write it as cryptsetup does, e.g. \"aes-xts-plain64\"");
    return CipherSpec{std::string(spec.substr(0, dash)), std::string(spec.substr(dash + 1))};
}

std::string temporary_dm_name(std::string_view dm_name) { return std::string(dm_name) + ".tmp"; }

std::string complete_token(const Request& request) {
    return fmt::format(
        R"({{"type":"pmos","keyslots":["0"],"complete":true,"mode":"{}","volume":"{}"}})",
        text(request.mode), text(request.name));
}

bool is_complete_token(const Request& request, std::string_view json) {
    const auto has = [&](const std::string& member) {
        return json.find(member) != std::string_view::npos;
    };
    return has(R"("type":"pmos")") && has(R"("complete":true)") &&
           has(fmt::format(R"("mode":"{}")", text(request.mode))) &&
           has(fmt::format(R"("volume":"{}")", text(request.name)));
}

}  // namespace pmos::volume
