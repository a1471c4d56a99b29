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

struct Wrong {
    Hash hash{};
    Keyslots at = 0;
};
constexpr std::size_t kWrongBytes = sizeof(Hash) + sizeof(Keyslots);
static_assert(sizeof(Wrong) == kWrongBytes, "it is written as it is");

// The file as it is: the salt, then the wrong ones, the latest last.
struct Kept {
    Hash salt{};
    std::vector<Wrong> wrong;

    auto find(const SecretHash& hash) {
        return salt == hash.salt ? std::ranges::find(wrong, hash.repeat, &Wrong::hash)
                                 : wrong.end();
    }
};

// What makes no sense is no reason to refuse an attempt: then each counts.
Kept read_kept(const std::string& path) {
    Kept kept;
    const std::string bytes =
        read_regular_file(path, sizeof(Hash) + kWrongBytes * Repeats::kKept).value_or("");
    if (bytes.size() % kWrongBytes != sizeof(Hash)) return kept;
    std::memcpy(kept.salt.data(), bytes.data(), sizeof(Hash));
    for (std::size_t at = sizeof(Hash); at < bytes.size(); at += kWrongBytes)
        std::memcpy(&kept.wrong.emplace_back(), bytes.data() + at, kWrongBytes);
    return kept;
}

Result<void> write_kept(const std::string& path, const Kept& kept) {
    std::string bytes(kept.salt.data(), kept.salt.size());
    for (const Wrong& one : kept.wrong)
        bytes.append(reinterpret_cast<const char*>(&one), kWrongBytes);
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
    if (kept.wrong.empty()) return random_salt();
    return kept.salt;
}

bool Repeats::has_any() const { return !read_kept(path_).wrong.empty(); }

std::optional<Keyslots> Repeats::knows(const SecretHash& hash) const {
    Kept kept = read_kept(path_);
    const auto found = kept.find(hash);
    return found == kept.wrong.end() ? std::nullopt : std::optional(found->at);
}

Result<bool> Repeats::again(const SecretHash& hash, Keyslots wrong_at) {
    Kept kept = read_kept(path_);
    if (kept.salt != hash.salt) kept = {hash.salt, {}};
    const auto found = kept.find(hash);
    const bool known = found != kept.wrong.end();
    if (known && (found->at | wrong_at) == found->at) return true;
    if (known)
        found->at |= wrong_at;
    else
        kept.wrong.push_back({hash.repeat, wrong_at});
    if (kept.wrong.size() > kKept) kept.wrong.erase(kept.wrong.begin());
    PMOS_TRY(write_kept(path_, kept));
    return known;
}

Result<void> Repeats::forget() {
    if (::unlink(path_.c_str()) == 0 || errno == ENOENT) return {};
    return fail(errno_error(errno, fmt::format("cannot remove '{}'", path_)));
}

}  // namespace pmos::volume
