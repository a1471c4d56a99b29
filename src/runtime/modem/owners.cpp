// modem: which message is whose, across restarts. On the storage is a digest of each and a mode's
// name, nothing of a number or a text.
#include "runtime/modem/owners.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <span>

#include "base/regular_file.h"
#include "policy/hash.h"
#include "policy/names.h"

namespace pmos::modem {
namespace {

constexpr std::size_t kMost = 16U << 20U;  // of a file; a SIM and a modem keep some hundred
constexpr std::size_t kDigest = 64;

// With its length before it, so that no two messages look alike.
void put(std::string& out, std::string_view field) {
    out += std::to_string(field.size()) + ":";
    out += field;
}

bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

std::string line_of(const std::string& digest, const std::string& mode) {
    return digest + " " + mode + "\n";
}

// Without the lines that others took back.
void compact(const std::string& path, const std::map<std::string, std::string>& owners) {
    const std::string part = path + ".part";
    const UniqueFd fd(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) return;
    std::string bytes;
    for (const auto& [digest, mode] : owners) bytes += line_of(digest, mode);
    if (!write_all(fd.get(), bytes) || ::fsync(fd.get()) != 0 ||
        ::rename(part.c_str(), path.c_str()) != 0)
        ::unlink(part.c_str());
}

}  // namespace

std::string digest_of(const std::string& line_id, const RadioText& text) {
    std::string all;
    for (const auto& field : {line_id, text.number, text.timestamp, text.text}) put(all, field);
    return policy::sha256_hex(std::as_bytes(std::span(all)));
}

std::map<std::string, std::string> read_owners(std::string_view bytes) {
    std::map<std::string, std::string> owners;
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        if (end == std::string_view::npos) break;
        const auto line = bytes.substr(0, end);
        bytes.remove_prefix(end + 1);
        if (line.size() < kDigest + 2 || line[kDigest] != ' ') continue;
        const auto digest = line.substr(0, kDigest), mode = line.substr(kDigest + 1);
        if (digest.find_first_not_of("0123456789abcdef") != std::string_view::npos) continue;
        if (mode == "-")
            owners.erase(std::string(digest));
        else if (policy::is_mode_name(mode))
            owners[std::string(digest)] = mode;
    }
    return owners;
}

Owners Owners::open(const std::string& dir) {
    Owners out;
    const std::string path = dir + "/owners";
    auto bytes = read_regular_file(path, kMost);
    if (!bytes && bytes.error().sys_errno != ENOENT) {
        out.unread_ = std::move(bytes.error());
        return out;
    }
    if (bytes) out.owners_ = read_owners(*bytes);
    compact(path, out.owners_);
    out.file_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    return out;
}

std::string Owners::find(const std::string& digest) const {
    const auto it = owners_.find(digest);
    return it == owners_.end() ? "" : it->second;
}

// Half a line would make the next one senseless.
Result<> Owners::append(const std::string& line) {
    if (!file_) return fail(Code::no_space, "whose the messages are cannot be kept");
    struct stat before {};
    const bool known = ::fstat(file_.get(), &before) == 0;
    if (known && write_all(file_.get(), line)) return {};
    const int why = errno;
    if (known) static_cast<void>(!::ftruncate(file_.get(), before.st_size));
    return fail(errno_error(why, "whose the messages are cannot be kept"));
}

Result<> Owners::keep(const std::string& digest, const std::string& mode) {
    owners_[digest] = mode;
    return append(line_of(digest, mode));
}

Result<> Owners::forget(const std::string& digest) {
    if (owners_.erase(digest) == 0) return {};
    return append(line_of(digest, "-"));
}

}  // namespace pmos::modem
