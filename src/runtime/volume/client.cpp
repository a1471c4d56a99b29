// volume: pmosd's side of one pmos-volume process. Never reads the secret: it passes the
// descriptor on.
#include "runtime/volume/client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "runtime/volume/request.h"

namespace pmos::volume {
namespace {

template <std::size_t N>
bool put(char (&field)[N], std::string_view value) {
    if (value.size() >= N || value.find('\0') != std::string_view::npos) return false;
    std::ranges::copy(value, field);
    return true;
}

template <std::size_t N>
void put_cut(char (&field)[N], std::string_view value) {
    std::ranges::copy(value.substr(0, std::min(value.size(), N - 1)), field);
}

bool has_temporary(const std::string& path) {
    const std::string prefix = path + std::string(kTemporarySuffix);
    std::error_code ignored;
    const auto directory = std::filesystem::path(path).parent_path();
    for (const auto& entry : std::filesystem::directory_iterator(directory, ignored))
        if (entry.path().native().starts_with(prefix)) return true;
    return false;
}

KeyKind key_kind(policy::KeySource source) {
    if (source == policy::KeySource::device_key) return KeyKind::device_key;
    return source == policy::KeySource::tpm ? KeyKind::tpm : KeyKind::descriptor;
}

std::string methods_of(const policy::Volume& v) {
    return fmt::format("{}{}", fmt::join(v.unlock, "|"), v.escrow.empty() ? "" : "|escrow");
}

// As Request::others has them.
std::string others_of(const policy::Volume& v, const std::vector<policy::Volume>& volumes) {
    std::string lines;
    for (const auto& other : volumes)
        if (other.source != v.source)
            lines += fmt::format("{}{} {}{}{}\n", other.block_device ? 'b' : 'f', other.name,
                                 other.source, other.header.empty() ? "" : "\t", other.header);
    return lines;
}

}  // namespace

Result<Request> make_request(Verb verb, std::string_view mode, const policy::Volume& v,
                             const AttemptPlaces& places, const Ways& ways) {
    Request r;
    r.verb = verb;
    r.key = key_kind(v.key_source);
    r.block_device = v.block_device ? 1 : 0;
    r.size = v.size;
    r.pbkdf_memory_max = v.pbkdf_memory_max;
    r.pbkdf_time_ms = v.pbkdf_time_ms;
    if (v.key_bits != 0) r.key_bits = v.key_bits;
    if (v.sector_size != 0) r.sector_size = v.sector_size;
    r.erase_after = places.erase_after;
    r.pcrs = v.pcrs;
    r.tpm_throttle = v.tpm_throttle ? 1 : 0;
    const bool fits =
        put(r.mode, mode) && put(r.name, v.name) && put(r.dm_name, v.dm_name) &&
        put(r.source, v.source) && put(r.key_file, v.key_file) && put(r.cipher, v.cipher) &&
        put(r.pbkdf, v.pbkdf) && put(r.filesystem, v.filesystem) &&
        put(r.attempts, places.attempts) && put(r.repeats, places.repeats) &&
        put(r.integrity, v.integrity) && put(r.discards, v.discards) && put(r.header, v.header) &&
        put(r.undo, places.undo.empty() ? "" : places.undo + "/" + v.name) &&
        put(r.methods, methods_of(v)) && put(r.escrow, v.escrow) && put(r.method, ways.method) &&
        put(r.factor, ways.factor) && put(r.others, others_of(v, places.volumes));
    if (!fits)
        return fail(Code::usage, fmt::format("volume '{}' cannot be asked for", v.name),
                    "a path or a name is too long");
    return r;
}

bool is_half_made(const policy::Volume& v) {
    const std::string mapping = "/dev/mapper/" + temporary_dm_name(v.dm_name);
    for (const auto& node : {mapping, mapping + "_dif"})
        if (::access(node.c_str(), F_OK) == 0) return true;
    return (!v.block_device && has_temporary(v.source)) ||
           (!v.header.empty() && has_temporary(v.header));
}

bool needs_secret(const Request& request) {
    return request.key == KeyKind::descriptor && judges(request.verb);
}

bool needs_other(const Request& request) {
    return request.verb == Verb::passwd || request.verb == Verb::backup ||
           request.verb == Verb::restore || request.verb == Verb::keep_denials ||
           request.verb == Verb::read_denials || request.verb == Verb::tunnel_key_import ||
           request.verb == Verb::tunnel_key_read || request.verb == Verb::preshared_key_import ||
           (request.verb == Verb::auth_enroll && text(request.factor) != "escrow" &&
            text(request.factor) != "tpm2");
}

Result<void> send_request(BorrowedFd socket, const Request& request, BorrowedFd secret,
                          BorrowedFd other) {
    Request sent = request;
    sent.brings = (secret ? kBringsSecret : 0) | (other ? kBringsOther : 0);
    iovec part{&sent, sizeof sent};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))]{};
    const std::array<int, 2> fds{secret ? secret.get() : other.get(), other.get()};
    if (sent.brings != 0) {
        const std::size_t size = (secret && other ? 2 : 1) * sizeof(int);
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(size);
        cmsghdr* c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(size);
        std::memcpy(CMSG_DATA(c), fds.data(), size);
    }
    if (::sendmsg(socket.get(), &message, MSG_NOSIGNAL) < 0)
        return fail(errno_error(errno, "cannot ask the volume worker"));
    return {};
}

Result<std::optional<Event>> receive_event(BorrowedFd socket) {
    Event event;
    ssize_t n = 0;
    do n = ::recv(socket.get(), &event, sizeof event, MSG_TRUNC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) return std::optional<Event>{};
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        return fail(Code::unreachable, "the volume worker ended without an answer", "",
                    "see the journal for pmos-volume");
    if (n < 0) return fail(errno_error(errno, "cannot hear the volume worker"));
    if (n != static_cast<ssize_t>(sizeof event) || event.magic != kEventMagic)
        return fail(Code::failed, "the volume worker's answer makes no sense");
    return std::optional<Event>(event);
}

Error to_error(const Event& event) {
    Error e;
    e.code = event.code <= static_cast<std::uint32_t>(Code::throttled)
                 ? static_cast<Code>(event.code)
                 : Code::failed;
    e.step = text(event.step);
    e.sys_errno = event.sys_errno;
    e.what = text(event.what);
    e.why = text(event.why);
    e.fix = text(event.fix);
    return e;
}

Event to_event(const Error& error) {
    Event event;
    event.kind = EventKind::failed;
    event.code = static_cast<std::uint32_t>(error.code);
    event.sys_errno = error.sys_errno;
    std::string why = error.why;
    for (const Error& undo : error.undo_failures) why += "; then " + undo.message();
    put_cut(event.step, error.step);
    put_cut(event.what, error.what);
    put_cut(event.why, why);
    put_cut(event.fix, error.fix);
    return event;
}

}  // namespace pmos::volume
