// unpack: archives that others made, into a directory that nobody else uses. Follows no link out of
// it, makes no device, and opens nothing else.
#include "runtime/unpack/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/text.h"
#include "runtime/unpack/tree.h"

namespace pmos::unpack {
namespace {

constexpr std::string_view kWhiteout = ".wh.", kOpaque = ".wh..wh..opq";

struct FreeArchive {
    void operator()(archive* a) const noexcept { ::archive_read_free(a); }
};
using Reader = std::unique_ptr<archive, FreeArchive>;

std::unexpected<Error> unreadable(archive* a) {
    const char* why = ::archive_error_string(a);
    return fail(Code::usage, "the archive cannot be read", why == nullptr ? "" : printable(why),
                "a tar is taken, plain or compressed by gzip, xz or zstd");
}

class Unpacker {
  public:
    Unpacker(BorrowedFd root, const Options& options,
             const std::function<void(std::string)>& left_out)
        : root_(root), tree_(root), options_(options), left_out_(left_out) {}

    Result<> entry(archive* a, archive_entry* e);

  private:
    Result<> whiteout(std::string_view path, std::string_view name);
    Result<> make(archive* a, archive_entry* e, const std::string& path);
    Result<> directory(archive_entry* e, const Place& place);
    Result<> file(archive* a, archive_entry* e, const Place& place);
    Result<> hard_link(const char* target, const Place& place);
    Result<> symbolic_link(archive_entry* e, const Place& place);
    Result<> own(archive_entry* e, const Place& place) const;
    std::unexpected<Error> refused(std::string why, std::string fix = "") const {
        return fail(Code::usage, fmt::format("'{}' is not unpacked", printable(path_)),
                    std::move(why), std::move(fix));
    }
    std::unexpected<Error> failed(int err) const {
        return fail(errno_error(err, fmt::format("cannot unpack '{}'", printable(path_))));
    }

    BorrowedFd root_;
    Tree tree_;
    const Options& options_;
    const std::function<void(std::string)>& left_out_;
    std::string path_;  // of the entry at hand
    std::uint64_t entries_ = 0, bytes_ = 0;
};

Result<> Unpacker::entry(archive* a, archive_entry* e) {
    const char* const path = ::archive_entry_pathname(e);
    if (path == nullptr) return fail(Code::usage, "the archive has a name that is not UTF-8");
    path_ = path;
    if (++entries_ > options_.max_entries)
        return refused(fmt::format("it would be the {}th entry", entries_));
    std::string_view trimmed = path_;
    while (trimmed.ends_with('/')) trimmed.remove_suffix(1);
    const auto name = trimmed.substr(trimmed.rfind('/') + 1);
    if (options_.layer && name.starts_with(kWhiteout))
        return whiteout(trimmed.substr(0, trimmed.size() - name.size()), name);
    return make(a, e, path_);
}

// image-spec, layer.md. What it takes away is what lower layers brought, wherever it stands.
Result<> Unpacker::whiteout(std::string_view path, std::string_view name) {
    const auto below = [](Result<> done) {  // of what no lower layer has
        if (!done && done.error().code == Code::not_found) return Result<>();
        return done;
    };
    if (name == kOpaque) {
        auto place = tree_.locate(std::string(path) + "x", false);
        if (!place) return below(fail(std::move(place.error())));
        return tree_.white_out_rest(*place);
    }
    const auto meant = name.substr(kWhiteout.size());
    if (meant.empty() || meant == "." || meant == ".." || meant.starts_with(kWhiteout))
        return refused("no whiteout has such a name");
    auto place = tree_.locate(std::string(path) + std::string(meant), false);
    if (!place) return below(fail(std::move(place.error())));
    return tree_.white_out(*place);
}

Result<> Unpacker::make(archive* a, archive_entry* e, const std::string& path) {
    const char* const link = ::archive_entry_hardlink(e);
    const auto type = ::archive_entry_filetype(e);
    if (link == nullptr && type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK) {
        left_out_(fmt::format("'{}' is no file, directory or link", printable(path)));
        return {};
    }
    PMOS_ASSIGN(const Place place, tree_.locate(path, true));
    const bool is_directory = link == nullptr && type == AE_IFDIR;
    if (place.name.empty()) {
        if (!is_directory) return refused("the root can only be a directory");
        return directory(e, place);
    }
    PMOS_TRY(tree_.clear(place, is_directory));
    tree_.note(place);
    if (link != nullptr) return hard_link(link, place);
    if (type == AE_IFLNK) return symbolic_link(e, place);
    return is_directory ? directory(e, place) : file(a, e, place);
}

Result<> Unpacker::own(archive_entry* e, const Place& place) const {
    const auto uid = ::archive_entry_uid(e), gid = ::archive_entry_gid(e);
    if (uid < 0 || gid < 0 || uid >= UINT32_MAX || gid >= UINT32_MAX)
        return refused(fmt::format("its owner {}:{} cannot be", uid, gid));
    const bool may = ::geteuid() == 0;
    if (!may && !options_.all_root && (uid != 0 || gid != 0))
        return refused(fmt::format("it belongs to {}:{}, and only root can keep that", uid, gid),
                       "run it as root, or under fakeroot, or give all to root: --all-root");
    if (!may) return {};
    const auto u = options_.all_root ? 0 : static_cast<uid_t>(uid);
    const auto g = options_.all_root ? 0 : static_cast<gid_t>(gid);
    const int flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    if (::fchownat(place.directory.get(), place.name.c_str(), u, g, flags) != 0)
        return failed(errno);
    return {};
}

Result<> Unpacker::directory(archive_entry* e, const Place& place) {
    const char* const name = place.name.empty() ? "." : place.name.c_str();
    if (!place.name.empty() && ::mkdirat(place.directory.get(), name, 0700) != 0 && errno != EEXIST)
        return failed(errno);
    const UniqueFd made(
        ::openat(place.directory.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!made) return failed(errno);
    PMOS_TRY(own(e, place));
    if (::fchmod(made.get(), ::archive_entry_perm(e)) != 0) return failed(errno);
    return {};
}

Result<> Unpacker::file(archive* a, archive_entry* e, const Place& place) {
    const auto size = ::archive_entry_size(e);
    const auto too_large = [&] {
        return refused(fmt::format("with it there are more than {} bytes", options_.max_bytes),
                       "allow more: --limit SIZE");
    };
    // What a sparse file has not written counts too: hashing it takes as long.
    if (size < 0 || static_cast<std::uint64_t>(size) > options_.max_bytes - bytes_)
        return too_large();
    const UniqueFd made(::openat(place.directory.get(), place.name.c_str(),
                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!made) return failed(errno);
    for (;;) {
        const void* block = nullptr;
        std::size_t count = 0;
        la_int64_t offset = 0;
        const int r = ::archive_read_data_block(a, &block, &count, &offset);
        if (r == ARCHIVE_EOF) break;
        if (r != ARCHIVE_OK) return unreadable(a);
        if (offset < 0 || offset > size || count > static_cast<std::uint64_t>(size - offset))
            return refused("it has more than it says");
        for (const char* at = static_cast<const char*>(block); count > 0;) {
            const ssize_t n = ::pwrite(made.get(), at, count, offset);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return failed(errno);
            at += n;
            offset += n;
            count -= static_cast<std::size_t>(n);
        }
    }
    bytes_ += static_cast<std::uint64_t>(size);
    if (::ftruncate(made.get(), size) != 0) return failed(errno);
    PMOS_TRY(own(e, place));  // it takes setuid away, so the mode comes after it
    if (::fchmod(made.get(), ::archive_entry_perm(e)) != 0) return failed(errno);
    return {};
}

Result<> Unpacker::hard_link(const char* target, const Place& place) {
    auto from = tree_.locate(target, false);
    struct stat st {};
    if (from && from->name.empty()) return refused("it is a link to a directory");
    if (!from ||
        ::fstatat(from->directory.get(), from->name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
        return refused(fmt::format("it is a link to '{}', which is not there", printable(target)));
    if (S_ISDIR(st.st_mode)) return refused("it is a link to a directory");
    if (::linkat(from->directory.get(), from->name.c_str(), place.directory.get(),
                 place.name.c_str(), 0) != 0)
        return failed(errno);
    return {};
}

Result<> Unpacker::symbolic_link(archive_entry* e, const Place& place) {
    const char* const target = ::archive_entry_symlink(e);
    if (target == nullptr || *target == '\0') return refused("it is a link to nothing");
    if (::symlinkat(target, place.directory.get(), place.name.c_str()) != 0) return failed(errno);
    return own(e, place);
}

Result<Reader> open_archive(BorrowedFd fd) {
    Reader reader(::archive_read_new());
    archive* const a = reader.get();
    if (a == nullptr) return fail(Code::no_space, "there is no memory for an archive");
    constexpr std::size_t kBlock = 1U << 16U;
    for (const auto support :
         {::archive_read_support_filter_gzip, ::archive_read_support_filter_xz,
          ::archive_read_support_filter_zstd, ::archive_read_support_format_tar})
        if (support(a) != ARCHIVE_OK) return unreadable(a);
    if (::archive_read_open_fd(a, fd.get(), kBlock) != ARCHIVE_OK) return unreadable(a);
    return reader;
}

}  // namespace

Result<> unpack(BorrowedFd archive_fd, BorrowedFd directory, const Options& options,
                const std::function<void(std::string)>& left_out) {
    PMOS_ASSIGN(const auto reader, open_archive(archive_fd));
    Unpacker unpacker(directory, options, left_out);
    for (;;) {
        archive_entry* entry = nullptr;
        const int r = ::archive_read_next_header(reader.get(), &entry);
        if (r == ARCHIVE_EOF) return {};
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN) return unreadable(reader.get());
        PMOS_TRY(unpacker.entry(reader.get(), entry));
    }
}

}  // namespace pmos::unpack
