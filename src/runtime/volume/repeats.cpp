// volume: the last wrong secrets of this boot, to know one that is entered again. Keeps nothing
// that is cheaper to guess than the volume itself.
#include "runtime/volume/repeats.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/regular_file.h"
#include "runtime/volume/files.h"

namespace pmos::volume {
namespace {

using Hash = HashBytes;

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

}  // namespace

Result<HashBytes> Repeats::salt() const {
    const Kept kept = read_kept(path_);
    if (kept.hashes.empty()) return random_salt();
    return kept.salt;
}

bool Repeats::has_any() const { return !read_kept(path_).hashes.empty(); }

bool Repeats::knows(const SecretHash& hash) const {
    const Kept kept = read_kept(path_);
    return kept.salt == hash.salt && std::ranges::count(kept.hashes, hash.repeat) != 0;
}

Result<bool> Repeats::again(const SecretHash& hash) {
    if (knows(hash)) return true;
    Kept kept = read_kept(path_);
    if (kept.salt != hash.salt) kept = {hash.salt, {}};
    kept.hashes.push_back(hash.repeat);
    if (kept.hashes.size() > kKept) kept.hashes.erase(kept.hashes.begin());
    PMOS_TRY(write_kept(path_, kept));
    return false;
}

Result<void> Repeats::forget() {
    if (::unlink(path_.c_str()) == 0 || errno == ENOENT) return {};
    return fail(errno_error(errno, fmt::format("cannot remove '{}'", path_)));
}

}  // namespace pmos::volume
