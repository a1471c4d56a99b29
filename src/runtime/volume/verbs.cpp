// volume: opening, closing and looking at a volume that exists. Never makes one, never logs.
#include <fmt/core.h>

#include <cerrno>

#include "runtime/volume/cipher.h"
#include "runtime/volume/destroy.h"
#include "runtime/volume/dm.h"
#include "runtime/volume/enrollment.h"
#include "runtime/volume/files.h"
#include "runtime/volume/header.h"
#include "runtime/volume/mending.h"
#include "runtime/volume/opening.h"
#include "runtime/volume/recover.h"
#include "runtime/volume/usage.h"
#include "runtime/volume/worker.h"

namespace pmos::volume {
namespace {

Event done() {
    Event event;
    event.kind = EventKind::done;
    return event;
}

// Somebody opened it before: right when it is this very volume and the secret is the right one.
Result<std::string> adopt(const Request& request, const SecretBuffer& secret, Mapping mapping,
                          Channel& channel) {
    PMOS_ASSIGN(const bool ours, is_mapping_of(request));
    if (!ours)
        return fail(Code::busy, fmt::format("device '{}' exists already", text(request.dm_name)),
                    "it stands on another file or block device", "close it there first");
    if (mapping == Mapping::suspended)
        return fail(Code::busy, name_of(request) + " is open but suspended", "",
                    fmt::format("pmosctl lock --evict {}", text(request.mode)));
    PMOS_ASSIGN(const auto device, SourceDevice::attach(request, true));
    PMOS_ASSIGN(auto crypt, device.crypt());
    PMOS_TRY(crypt.load());
    PMOS_TRY(channel.progress(300, opening_step(request, crypt, secret, "trying the secret")));
    PMOS_ASSIGN(auto opened, open_judged(request, crypt, channel, secret,
                                         [&](int slot, auto passphrase) -> Result<void> {
                                             PMOS_TRY(crypt.check_secret(passphrase, slot));
                                             return {};
                                         }));
    return std::move(opened.not_kept);
}

Result<std::string> map_volume(const Request& request, const SecretBuffer& secret,
                               Channel& channel) {
    PMOS_TRY(check_unused(request));
    PMOS_ASSIGN(const auto device, SourceDevice::attach(request, false));
    PMOS_ASSIGN(auto crypt, device.crypt());
    PMOS_TRY(crypt.load());
    PMOS_TRY(check_cipher(crypt.cipher()));
    PMOS_TRY(crypt.settle_discards(may_discard(request)));
    PMOS_TRY(channel.progress(300, opening_step(request, crypt, secret, "deriving the key")));
    const std::string dm_name(text(request.dm_name));
    PMOS_TRY(prepare_mending(request, crypt));
    const auto map = [&](int slot, std::span<const std::byte> passphrase) -> Result<void> {
        PMOS_ASSIGN(const bool mended, mend_piece(request, crypt, passphrase));
        PMOS_TRY(crypt.map(dm_name, passphrase, mended ? kAnyKeyslot : slot));
        return {};
    };
    PMOS_ASSIGN(auto opened, open_judged(request, crypt, channel, secret, map));
    auto wanted = check_length("/dev/mapper/" + dm_name);
    // The data is worth more than a keyslot too many: told, and tried again with the next opening.
    if (auto settled = settle(request, crypt, opened.keyslot); wanted && !settled)
        wanted = channel.detail("unsettled", settled.error().message());
    if (wanted && !crypt.check_one_key()) wanted = channel.detail("reencryption", "interrupted");
    // Nobody is left who could close it again.
    if (wanted) wanted = channel.progress(1000, "open");
    if (wanted) return std::move(opened.not_kept);
    Error cause = std::move(wanted.error());
    if (auto undone = unmap(dm_name); !undone)
        cause.undo_failures.push_back(std::move(undone.error()));
    return fail(std::move(cause));
}

bool works_on_it(Verb verb) {
    return (verb >= Verb::passwd && verb <= Verb::wipe_free) || verb == Verb::reencrypt ||
           verb == Verb::trim || verb == Verb::auth_enroll || verb == Verb::auth_remove ||
           verb == Verb::duress || verb == Verb::keep_denials || verb == Verb::read_denials ||
           (verb >= Verb::tunnel_key_new && verb <= Verb::preshared_key_import);
}

// What is left of them, where a destruction was cut off, is not to be opened, kept or put back.
bool has_use_of_keys(Verb verb) {
    return judges(verb) || verb == Verb::backup || verb == Verb::restore;
}

}  // namespace

Result<Event> open(const Request& request, UniqueFd secret_fd, Channel& channel) {
    PMOS_TRY(check_complete(request));
    PMOS_ASSIGN(const auto secret, read_secret_of(request, secret_fd));
    PMOS_TRY(channel.catch_signals());
    PMOS_TRY(channel.progress(100, "opening"));
    PMOS_TRY(dm::remove_half_made(std::string(text(request.dm_name))));
    const Mapping mapping = mapping_state(std::string(text(request.dm_name)));
    PMOS_ASSIGN(const std::string not_kept, mapping == Mapping::absent
                                                ? map_volume(request, secret, channel)
                                                : adopt(request, secret, mapping, channel));
    Event event = done();
    not_kept.copy(event.why, sizeof event.why - 1);
    event.provisioned = event.active = 1;
    return event;
}

Result<Event> close(const Request& request, Channel& channel) {
    PMOS_TRY(channel.progress(100, "closing"));
    const bool is_file = request.block_device == 0;
    const std::string path(text(request.source));
    // A provisioning that was killed may have left its mapping, and with it a key in the kernel.
    if (!(is_file && is_being_made(path)) && !is_being_made(std::string(text(request.header)))) {
        PMOS_TRY(unmap(temporary_dm_name(text(request.dm_name))));
        if (is_file) PMOS_TRY(remove_leftovers(path));
        if (!text(request.header).empty())
            PMOS_TRY(remove_leftovers(std::string(text(request.header))));
    }
    const std::string dm_name(text(request.dm_name));
    PMOS_TRY(let_go_of_helpers(request));
    if (mapping_state(dm_name) == Mapping::suspended) PMOS_TRY(dm::replace_by_error(dm_name));
    PMOS_TRY(dm::is_error(dm_name) ? dm::remove(dm_name) : unmap(dm_name));
    PMOS_TRY(remove_helpers(request));
    PMOS_TRY(remove_temporary_crypt(request));
    PMOS_TRY(dm::remove_integrity(dm_name));
    const auto source = open_source(request, true);
    if (is_file && source && !wait_until_loop_is_free(source->borrow()))
        return fail(Code::busy, name_of(request) + " is closed but its loop device is still in use",
                    "", "see losetup --list");
    // Behind whoever re-encrypted it. What cannot be done keeps its mark, and it is closed.
    static_cast<void>(finish_destruction(request));
    return done();
}

Result<Event> status(const Request& request) {
    PMOS_ASSIGN(const Inspected found, inspect_source(request));
    const Mapping mapping = mapping_state(std::string(text(request.dm_name)));
    Event event = done();
    event.provisioned = found.content == Content::complete ? 1 : 0;
    event.unfinished = found.content == Content::unfinished ? 1 : 0;
    event.active = mapping != Mapping::absent ? 1 : 0;
    event.suspended = mapping == Mapping::suspended ? 1 : 0;
    return event;
}

Result<Event> work(Channel& channel) {
    PMOS_ASSIGN(Received received, channel.receive());
    const Request& request = received.request;
    PMOS_TRY(check_request(request));
    if (has_use_of_keys(request.verb)) {
        PMOS_ASSIGN(const bool ended, finish_destruction(request));
        if (ended) PMOS_TRY(channel.keys_ended());
    }
    if (works_on_it(request.verb)) PMOS_TRY(check_not_suspended(request));
    if (works_on_it(request.verb) || request.verb == Verb::open)
        PMOS_TRY(remove_temporary_crypt(request));
    switch (request.verb) {
        case Verb::provision:
            return provision(request, std::move(received.secret), channel);
        case Verb::open:
            return open(request, std::move(received.secret), channel);
        case Verb::close:
            return close(request, channel);
        case Verb::status:
            return status(request);
        case Verb::suspend:
            return suspend(request, std::move(received.secret), channel);
        case Verb::resume:
            return resume(request, std::move(received.secret), channel);
        case Verb::cut_off:
            return cut_off(request, channel);
        case Verb::info:
            return info(request, channel);
        case Verb::passwd:
            return passwd(request, std::move(received.secret), std::move(received.other), channel);
        case Verb::backup:
            return backup(request, std::move(received.other), channel);
        case Verb::restore:
            return restore(request, std::move(received.other), channel);
        case Verb::resize:
            return resize(request, std::move(received.secret), channel);
        case Verb::wipe_free:
            return wipe_free(request, channel);
        case Verb::reencrypt:
            return reencrypt(request, std::move(received.secret), channel);
        case Verb::trim:
            return trim(request, channel);
        case Verb::auth_list:
            return auth_list(request, channel);
        case Verb::auth_enroll:
            return auth_enroll(request, std::move(received.secret), std::move(received.other),
                               channel);
        case Verb::auth_remove:
            return auth_remove(request, std::move(received.secret), channel);
        case Verb::auth_test:
            return auth_test(request, std::move(received.secret), channel);
        case Verb::erase:
            return erase(request, channel);
        case Verb::duress:
            return duress(request, std::move(received.secret), std::move(received.other), channel);
        case Verb::keep_denials:
            return keep_denials(request, std::move(received.other), channel);
        case Verb::read_denials:
            return read_denials(request, std::move(received.other), channel);
        case Verb::tunnel_key_new:
            return new_tunnel_key(request, channel);
        case Verb::tunnel_key_import:
            return import_tunnel_key(request, std::move(received.other), channel);
        case Verb::tunnel_key_read:
            return read_tunnel_key(request, std::move(received.other), channel);
        case Verb::tunnel_key_show:
            return show_tunnel_key(request, channel);
        case Verb::preshared_key_import:
            return import_preshared_key(request, std::move(received.other), channel);
    }
    return fail(Code::usage, "volume request refused", "unknown verb");
}

}  // namespace pmos::volume
