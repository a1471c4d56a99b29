// oci: compiled filters kept from one start to the next. Whatever is wrong with the cache, a filter
// is compiled: it is never why a container does not start.
#include "runtime/oci/filter_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "base/fd.h"
#include "runtime/oci/filter.h"
#include "runtime/oci/filter_file.h"

namespace pmos::oci {
namespace {

bool only_ours(const struct stat& st) {
    return st.st_uid == ::geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

// A slash at the end would follow a link there.
UniqueFd open_directory(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    UniqueFd fd(::open(path.c_str(), kFlags));
    if (!fd && errno == ENOENT && ::mkdir(path.c_str(), 0700) == 0)
        fd.reset(::open(path.c_str(), kFlags));
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0 || !only_ours(st)) return {};
    return fd;
}

// A FIFO would block, and a link leads to what is not the cache's.
std::optional<Filter> kept(BorrowedFd directory, const std::string& key) {
    constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    const UniqueFd fd(::openat(directory.get(), key.c_str(), kFlags));
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode) || !only_ours(st))
        return std::nullopt;
    if (st.st_size < 0 || st.st_size > static_cast<off_t>(kMaxFilterFile)) return std::nullopt;
    std::string bytes(static_cast<std::size_t>(st.st_size), '\0');
    if (::read(fd.get(), bytes.data(), bytes.size()) != st.st_size) return std::nullopt;
    return decode_filter(key, bytes);
}

void remove_oldest(BorrowedFd directory) {
    using Entry = std::pair<std::pair<time_t, long>, std::string>;
    // Of its own: reading moves the position of a descriptor.
    UniqueFd fd(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(fd ? ::fdopendir(fd.get()) : nullptr,
                                                      &::closedir);
    if (!listing) return;
    (void)fd.release();
    std::vector<Entry> entries;
    while (const dirent* entry = ::readdir(listing.get())) {
        struct stat st {};
        if (::fstatat(directory.get(), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            !S_ISDIR(st.st_mode))
            entries.push_back({{st.st_mtim.tv_sec, st.st_mtim.tv_nsec}, entry->d_name});
    }
    if (entries.size() <= kMaxCachedFilters) return;
    std::ranges::sort(entries);
    entries.resize(entries.size() - kMaxCachedFilters);
    for (const Entry& entry : entries) ::unlinkat(directory.get(), entry.second.c_str(), 0);
}

// By a name of its own that becomes the key at once: whoever reads finds all of it or nothing, and
// what was there and no good is replaced. Not synced: what a power cut leaves half has no sum.
void keep(BorrowedFd directory, const std::string& key, const Filter& filter) {
    std::uint64_t random = 0;
    if (::getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) return;
    const std::string name = fmt::format("new-{:016x}", random);
    const UniqueFd fd(::openat(directory.get(), name.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return;
    const std::string bytes = encode_filter(key, filter);
    if (::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        ::renameat(directory.get(), name.c_str(), directory.get(), key.c_str()) != 0) {
        ::unlinkat(directory.get(), name.c_str(), 0);
        return;
    }
    remove_oldest(directory);
}

}  // namespace

std::optional<Filter> kept_filter(std::string_view text, const std::string& directory) {
    const UniqueFd fd = text.empty() ? UniqueFd() : open_directory(directory);
    return fd ? kept(fd.borrow(), filter_key(text)) : std::nullopt;
}

Result<Filter> cached_filter(const policy::oci::Seccomp& policy, std::string_view text,
                             const std::string& directory, std::vector<std::string>* unknown) {
    if (auto before = kept_filter(text, directory)) return *std::move(before);
    PMOS_ASSIGN(auto program, compile_filter(policy, unknown));
    Filter filter{std::move(program), load_flags(policy)};
    if (const UniqueFd fd = text.empty() ? UniqueFd() : open_directory(directory))
        keep(fd.borrow(), filter_key(text), filter);
    return filter;
}

}  // namespace pmos::oci
