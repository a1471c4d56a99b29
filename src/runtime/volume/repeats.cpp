// volume: the last wrong secrets of this boot, to know one that is entered again. Keeps nothing
// that is cheaper to guess than the volume itself.
#include "runtime/volume/repeats.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/regular_file.h"
#include "runtime/volume/files.h"
#include "runtime/volume/stretch.h"

namespace pmos::volume {
namespace {

using Hash = std::array<char, 32>;

// The file as it is: the salt, then the hashes, the latest last.
struct Kept {
    Hash salt{};
    std::vector<Hash> hashes;
};

// What makes no sense is no reason to refuse an attempt: then each counts.
Kept read_kept(const std::string& path) {
    Kept kept;
    const std::string bytes =
        read_regular_file(path, sizeof(Hash) * (Repeats::kKept + 1)).value_or("");
    for (std::size_t at = 0; bytes.size() % sizeof(Hash) == 0 && at < bytes.size();
         at += sizeof(Hash))
        std::memcpy(kept.hashes.emplace_back().data(), bytes.data() + at, sizeof(Hash));
    if (kept.hashes.empty()) return kept;
    kept.salt = kept.hashes.front();
    kept.hashes.erase(kept.hashes.begin());
    return kept;
}

Result<void> write_kept(const std::string& path, const Kept& kept) {
    std::string bytes(kept.salt.data(), kept.salt.size());
    for (const Hash& hash : kept.hashes) bytes.append(hash.data(), hash.size());
    const std::string directory = directory_of(path), fresh = path + ".new";
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
        return fail(errno_error(errno, fmt::format("cannot make directory '{}'", directory)));
    const UniqueFd fd(
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd ||
        ::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        ::rename(fresh.c_str(), path.c_str()) != 0)
        return fail(errno_error(errno, fmt::format("cannot write '{}'", path)));
    return {};
}

Result<Hash> hash_of(std::span<const std::byte> secret, const Hash& salt, const KeyslotCost& cost) {
    Hash hash{};
    PMOS_TRY(stretch(secret, std::as_bytes(std::span(salt)), cost,
                     std::as_writable_bytes(std::span(hash))));
    return hash;
}

}  // namespace

Result<bool> Repeats::knows(std::span<const std::byte> secret, const KeyslotCost& cost) const {
    const Kept kept = read_kept(path_);
    if (kept.hashes.empty()) return false;
    PMOS_ASSIGN(const Hash hash, hash_of(secret, kept.salt, cost));
    return std::ranges::count(kept.hashes, hash) != 0;
}

Result<bool> Repeats::again(std::span<const std::byte> secret, const KeyslotCost& cost) {
    Kept kept = read_kept(path_);
    if (kept.hashes.empty() && ::getrandom(kept.salt.data(), kept.salt.size(), 0) !=
                                   static_cast<ssize_t>(kept.salt.size()))
        return fail(errno_error(errno, "cannot get random bytes"));
    PMOS_ASSIGN(const Hash hash, hash_of(secret, kept.salt, cost));
    if (std::ranges::count(kept.hashes, hash) != 0) return true;
    kept.hashes.push_back(hash);
    if (kept.hashes.size() > kKept) kept.hashes.erase(kept.hashes.begin());
    PMOS_TRY(write_kept(path_, kept));
    return false;
}

Result<void> Repeats::forget() {
    if (::unlink(path_.c_str()) == 0 || errno == ENOENT) return {};
    return fail(errno_error(errno, fmt::format("cannot remove '{}'", path_)));
}

}  // namespace pmos::volume
