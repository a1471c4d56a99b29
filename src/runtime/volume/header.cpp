// volume: the header of a volume that exists, be the volume open or closed. Never maps it.
#include "runtime/volume/header.h"

#include <fmt/core.h>

#include "runtime/volume/key.h"
#include "runtime/volume/undo_header.h"

namespace pmos::volume {

std::string name_of(const Request& request) {
    return fmt::format("volume '{}' of mode '{}'", text(request.name), text(request.mode));
}

Result<void> check_complete(const Request& request) {
    PMOS_TRY(put_header_back(request));
    PMOS_ASSIGN(const Inspected found, inspect_source(request));
    if (found.content == Content::complete) return {};
    if (found.content == Content::absent)
        return fail(Code::not_provisioned, name_of(request) + " has not been made yet", "",
                    fmt::format("pmosctl provision {}", text(request.mode)));
    return fail(Code::not_provisioned, name_of(request) + " was never finished", found.why,
                fmt::format("move '{}' away and provision the mode again", text(request.source)));
}

Result<SecretBuffer> read_secret_of(const Request& request, const UniqueFd& secret) {
    if (request.key == KeyKind::device_key)
        return read_device_key(std::string(text(request.key_file)));
    if (request.key == KeyKind::tpm) return read_offered(secret.borrow());
    return read_pin(secret.borrow());
}

Result<void> check_not_suspended(const Request& request) {
    if (mapping_state(std::string(text(request.dm_name))) != Mapping::suspended) return {};
    const auto mode = text(request.mode);
    return fail(Code::locked, name_of(request) + " is suspended",
                "the mode is locked, and what runs of it waits",
                fmt::format("pmosctl unlock {}, or pmosctl lock --evict {}", mode, mode));
}

Result<void> check_open(const Request& request) {
    PMOS_ASSIGN(const auto header, Header::open(request, true));
    if (header.mapping() == Mapping::active) return {};
    return fail(Code::locked, name_of(request) + " is not open", "",
                fmt::format("pmosctl unlock {} --no-start", text(request.mode)));
}

Result<Header> Header::open(const Request& request, bool read_only) {
    Header header;
    const std::string dm_name(text(request.dm_name));
    header.mapping_ = mapping_state(dm_name);
    if (header.mapping_ != Mapping::absent) {
        PMOS_ASSIGN(const bool ours, is_mapping_of(request));
        if (!ours)
            return fail(Code::busy, fmt::format("device '{}' exists already", dm_name),
                        "it stands on another file or block device", "close it there first");
        PMOS_ASSIGN(header.crypt_,
                    CryptDevice::of_mapping(dm_name, std::string(text(request.header))));
        PMOS_TRY(header.crypt_->check_loaded());
        return header;
    }
    PMOS_TRY(check_unused(request));
    PMOS_ASSIGN(header.device_, SourceDevice::attach(request, read_only));
    PMOS_ASSIGN(header.crypt_, header.device_->crypt());
    PMOS_TRY(header.crypt_->load());
    return header;
}

}  // namespace pmos::volume
