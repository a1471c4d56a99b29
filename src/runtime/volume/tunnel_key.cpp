// volume: the keys of a mode's tunnel: made, imported, told the public half of, or handed to who
// makes the tunnel, by a pipe. They leave the volume no other way.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "runtime/volume/private_part.h"
#include "runtime/volume/request.h"
#include "runtime/volume/tunnel_key_file.h"
#include "runtime/volume/worker.h"

namespace pmos::volume {
namespace {

constexpr std::size_t kMaxLine = 128;

Event done() {
    Event event;
    event.kind = EventKind::done;
    event.provisioned = event.active = 1;
    return event;
}

policy::PublicKey peer_at(const Request& request, std::size_t i) {
    return std::to_array(request.peers[i]);
}

std::string words_for(const Request& request, std::string_view more) {
    return fmt::format("pmosctl net key {} {}", text(request.mode), more);
}

Result<SecretBuffer> load(const Request& request, BorrowedFd part, const TunnelKeyFile& file,
                          std::string how) {
    auto key = load_tunnel_key(part, file);
    if (key || key.error().code != Code::not_found) return key;
    return fail(Code::not_found, fmt::format("mode '{}' has no {}", text(request.mode), file.what),
                "", std::move(how));
}

Result<SecretBuffer> load_own(const Request& request, BorrowedFd part) {
    return load(request, part, own_key_file(), "make one with: " + words_for(request, "--new"));
}

// The key that leaves, and behind it that of each peer, as Verb::tunnel_key_read has them.
Result<SecretBuffer> load_all(const Request& request, BorrowedFd part) {
    constexpr std::size_t kPair = 2 * kTunnelKeyBytes;
    const std::size_t size = kTunnelKeyBytes + request.peer_count * kPair;
    PMOS_ASSIGN(auto all, SecretBuffer::make(size));
    all.set_size(size);
    auto left = all.storage().first(size);
    const auto put = [&left](std::span<const std::byte> bytes) {
        std::ranges::copy(bytes, left.begin());
        left = left.subspan(bytes.size());
    };
    PMOS_ASSIGN(const auto own, load_own(request, part));
    put(own.bytes());
    for (std::size_t i = 0; i < request.peer_count; ++i) {
        const auto peer = peer_at(request, i);
        PMOS_ASSIGN(
            const auto key,
            load(request, part, preshared_key_file(peer),
                 "import it with: " + words_for(request, fmt::format("--peer {} --import",
                                                                     policy::key_text(peer)))));
        put(std::as_bytes(std::span(peer)));
        put(key.bytes());
    }
    return all;
}

Result<Event> tell(const SecretBuffer& key, Channel& channel) {
    PMOS_ASSIGN(const auto own, public_key_of(key));
    PMOS_TRY(channel.detail("publicKey", own));
    return done();
}

Result<Event> keep(const Request& request, const SecretBuffer& key, Channel& channel) {
    PMOS_ASSIGN(const UniqueFd part, open_private_part(request, channel));
    PMOS_TRY(store_tunnel_key(part.borrow(), key, request.replaces != 0));
    return tell(key, channel);
}

}  // namespace

Result<Event> new_tunnel_key(const Request& request, Channel& channel) {
    PMOS_ASSIGN(const auto key, make_tunnel_key());
    return keep(request, key, channel);
}

Result<Event> import_tunnel_key(const Request& request, UniqueFd text, Channel& channel) {
    PMOS_ASSIGN(const auto line, read_secret(text.borrow(), kMaxLine));
    PMOS_ASSIGN(const auto key, parse_tunnel_key(line));
    return keep(request, key, channel);
}

// Of a pipe the bytes are gone with its last reader; a file would keep them.
Result<Event> read_tunnel_key(const Request& request, UniqueFd pipe, Channel& channel) {
    struct stat st {};
    if (::fstat(pipe.get(), &st) != 0 || !S_ISFIFO(st.st_mode))
        return fail(Code::usage, "a tunnel's key goes into a pipe only");
    PMOS_ASSIGN(const UniqueFd part, open_private_part(request, channel));
    PMOS_ASSIGN(const auto keys, load_all(request, part.borrow()));
    const auto bytes = keys.bytes();
    if (::write(pipe.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        return fail(errno_error(errno, "cannot hand the tunnel's key over"));
    return done();
}

Result<Event> show_tunnel_key(const Request& request, Channel& channel) {
    PMOS_ASSIGN(const UniqueFd part, open_private_part(request, channel));
    PMOS_ASSIGN(const auto key, load_own(request, part.borrow()));
    return tell(key, channel);
}

Result<Event> import_preshared_key(const Request& request, UniqueFd text, Channel& channel) {
    PMOS_ASSIGN(const auto line, read_secret(text.borrow(), kMaxLine));
    PMOS_ASSIGN(const auto key, parse_preshared_key(line));
    PMOS_ASSIGN(const UniqueFd part, open_private_part(request, channel));
    const auto peer = peer_at(request, 0);
    PMOS_TRY(store_tunnel_key(part.borrow(), key, request.replaces != 0, preshared_key_file(peer)));
    PMOS_TRY(channel.detail("publicKey", policy::key_text(peer)));
    return done();
}

}  // namespace pmos::volume
