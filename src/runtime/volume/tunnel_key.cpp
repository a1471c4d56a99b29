// volume: the key of a mode's tunnel: made, imported, told the public half of, or handed to who
// makes the tunnel, by a pipe. It leaves the volume no other way.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

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

std::string make_one_by(const Request& request) {
    return "make one with: pmosctl net key " + std::string(text(request.mode)) + " --new";
}

Result<SecretBuffer> load(const Request& request, BorrowedFd part) {
    auto key = load_tunnel_key(part);
    if (key || key.error().code != Code::not_found) return key;
    return fail(Code::not_found,
                "mode '" + std::string(text(request.mode)) + "' has no key of a tunnel", "",
                make_one_by(request));
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
    PMOS_ASSIGN(const auto key, load(request, part.borrow()));
    const auto bytes = key.bytes();
    if (::write(pipe.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        return fail(errno_error(errno, "cannot hand the tunnel's key over"));
    return done();
}

Result<Event> show_tunnel_key(const Request& request, Channel& channel) {
    PMOS_ASSIGN(const UniqueFd part, open_private_part(request, channel));
    PMOS_ASSIGN(const auto key, load(request, part.borrow()));
    return tell(key, channel);
}

}  // namespace pmos::volume
