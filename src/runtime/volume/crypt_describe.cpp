// volume: libcryptsetup as values and Results: what a header says of itself. Never writes, but
// restore(), which writes all of it; never logs.
#include <fmt/format.h>

#include <array>

#include "runtime/volume/crypt_context.h"

namespace pmos::volume {
namespace {

using Described = std::vector<std::pair<std::string, std::string>>;

struct Flag {
    std::uint32_t bit;
    const char* name;
};
constexpr std::array kFlags{
    Flag{CRYPT_ACTIVATE_ALLOW_DISCARDS, "allow-discards"},
    Flag{CRYPT_ACTIVATE_SAME_CPU_CRYPT, "same-cpu-crypt"},
    Flag{CRYPT_ACTIVATE_SUBMIT_FROM_CRYPT_CPUS, "submit-from-crypt-cpus"},
    Flag{CRYPT_ACTIVATE_NO_READ_WORKQUEUE, "no-read-workqueue"},
    Flag{CRYPT_ACTIVATE_NO_WRITE_WORKQUEUE, "no-write-workqueue"},
    Flag{CRYPT_ACTIVATE_NO_JOURNAL, "no-journal"},
};

std::string names_of(std::uint32_t flags) {
    std::string out;
    for (const auto& flag : kFlags)
        if ((flags & flag.bit) != 0) out += (out.empty() ? "" : " ") + std::string(flag.name);
    return out;
}

const char* priority_name(crypt_keyslot_priority priority) {
    switch (priority) {
        case CRYPT_SLOT_PRIORITY_IGNORE:
            return "ignore";
        case CRYPT_SLOT_PRIORITY_PREFER:
            return "prefer";
        default:
            return "normal";
    }
}

const char* reencryption_name(crypt_reencrypt_info state) {
    switch (state) {
        case CRYPT_REENCRYPT_NONE:
            return "none";
        case CRYPT_REENCRYPT_CLEAN:
        case CRYPT_REENCRYPT_CRASH:
            return "interrupted";
        default:
            return "damaged";
    }
}

void describe_keyslot(crypt_device* cd, int slot, Described& out) {
    const auto status = ::crypt_keyslot_status(cd, slot);
    if (status != CRYPT_SLOT_ACTIVE && status != CRYPT_SLOT_ACTIVE_LAST) return;
    const auto tell = [&](const char* name, std::string value) {
        out.emplace_back(fmt::format("keyslot.{}.{}", slot, name), std::move(value));
    };
    crypt_pbkdf_type p{};
    if (::crypt_keyslot_get_pbkdf(cd, slot, &p) >= 0 && p.type != nullptr) {
        tell("kdf", p.type);
        tell("memory", std::to_string(std::uint64_t{p.max_memory_kb} << 10));
        tell("iterations", std::to_string(p.iterations));
        tell("lanes", std::to_string(p.parallel_threads));
    }
    tell("priority", priority_name(::crypt_keyslot_get_priority(cd, slot)));
}

void describe_tokens(crypt_device* cd, Described& out) {
    for (int token = 0; token < ::crypt_token_max(CRYPT_LUKS2); ++token) {
        const char* type = nullptr;
        const auto status = ::crypt_token_status(cd, token, &type);
        if (status != CRYPT_TOKEN_INVALID && status != CRYPT_TOKEN_INACTIVE && type != nullptr)
            out.emplace_back(fmt::format("token.{}", token), type);
    }
}

}  // namespace

Described CryptDevice::describe() const {
    crypt_device* cd = context_->cd;
    Described out;
    out.emplace_back("uuid", uuid());
    out.emplace_back("cipher", cipher());
    out.emplace_back("sectorSize", std::to_string(::crypt_get_sector_size(cd)));
    crypt_params_integrity integrity{};
    const bool authenticated = ::crypt_get_integrity_info(cd, &integrity) == 0 &&
                               integrity.integrity != nullptr && integrity.tag_size != 0;
    const auto key_bytes = static_cast<std::uint32_t>(::crypt_get_volume_key_size(cd));
    const std::uint32_t of_tags = authenticated ? integrity.integrity_key_size : 0;
    out.emplace_back("keyBits", std::to_string((key_bytes - of_tags) * 8));
    out.emplace_back("integrity", authenticated ? integrity.integrity : "none");
    out.emplace_back("dataOffset", std::to_string(::crypt_get_data_offset(cd) * 512));
    std::uint32_t flags = 0;
    if (::crypt_persistent_flags_get(cd, CRYPT_FLAGS_ACTIVATION, &flags) == 0)
        out.emplace_back("flags", names_of(flags));
    out.emplace_back("reencryption", reencryption_name(::crypt_reencrypt_status(cd, nullptr)));
    for (int slot = 0; slot < ::crypt_keyslot_max(CRYPT_LUKS2); ++slot)
        describe_keyslot(cd, slot, out);
    describe_tokens(cd, out);
    return out;
}

std::uint64_t CryptDevice::header_bytes() const {
    std::uint64_t metadata = 0, keyslots = 0;
    if (::crypt_get_metadata_size(context_->cd, &metadata, &keyslots) != 0) return 0;
    return 2 * metadata + keyslots;
}

Result<std::string> CryptDevice::metadata() const {
    const char* dump = nullptr;
    if (const int r = ::crypt_dump_json(context_->cd, &dump, 0); r < 0 || dump == nullptr)
        return fail(error(r, "cannot read the volume's header"));
    return dump;
}

// A digest is a salted hash of the volume key: equal digests are of the same key. The library has
// no call for them, but its dump always writes them so.
Result<std::vector<std::string>> CryptDevice::key_digests() const {
    PMOS_ASSIGN(const std::string json, metadata());
    constexpr std::string_view kKey = "\"digest\":\"";
    std::vector<std::string> found;
    std::string compact;
    for (const char c : json)
        if (c != ' ' && c != '\n' && c != '\t') compact += c;
    for (auto at = compact.find(kKey); at != std::string::npos; at = compact.find(kKey, at)) {
        at += kKey.size();
        found.push_back(compact.substr(at, compact.find('"', at) - at));
    }
    if (!found.empty()) return found;
    return fail(Code::failed, "cannot tell the volume's key from another one",
                "its header has no digest");
}

Result<void> CryptDevice::restore(const std::string& file) {
    const int r = ::crypt_header_restore(context_->cd, CRYPT_LUKS2, file.c_str());
    if (r >= 0) return {};
    return fail(error(r, "cannot write the header"));
}

}  // namespace pmos::volume
