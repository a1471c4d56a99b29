// unpack: a directory as the root of names that others chose: whatever they say, and whatever links
// lie there, each leads to something in it. Reads no archive.
#include "runtime/unpack/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "base/text.h"
#include "runtime/sys/file.h"

namespace pmos::unpack {
namespace {

std::unexpected<Error> refused(std::string_view path, std::string why) {
    return fail(Code::usage, fmt::format("'{}' is not unpacked", printable(path)), std::move(why));
}

// "a//./b/" is {a, b}.
Result<std::vector<std::string>> parts_of(std::string_view path) {
    if (path.starts_with('/')) return refused(path, "its path is absolute");
    std::vector<std::string> parts;
    for (std::string_view rest = path; !rest.empty();) {
        const auto part = rest.substr(0, rest.find('/'));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        if (part == "..") return refused(path, "its path leads out by '..'");
        if (!part.empty() && part != ".") parts.emplace_back(part);
    }
    return parts;
}

std::uint64_t inode_of(BorrowedFd directory) {
    struct stat st {};
    return ::fstat(directory.get(), &st) == 0 ? st.st_ino : 0;
}

struct CloseDirectory {
    void operator()(DIR* d) const noexcept { ::closedir(d); }
};

Result<std::vector<std::string>> names_in(BorrowedFd directory) {
    UniqueFd own(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::unique_ptr<DIR, CloseDirectory> list(own ? ::fdopendir(own.get()) : nullptr);
    if (!list) return fail(errno_error(errno, "cannot list a directory"));
    static_cast<void>(own.release());
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(list.get()))
        if (const std::string_view name = entry->d_name; name != "." && name != "..")
            names.emplace_back(name);
    return names;
}

}  // namespace

Result<UniqueFd> Tree::enter(std::string_view path, bool make) const {
    PMOS_ASSIGN(const auto parts, parts_of(path));
    std::string so_far = ".";
    UniqueFd at(::openat(root_.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    for (const auto& part : parts) {
        so_far += "/" + part;
        const auto open = [&] {
            return UniqueFd(sys::sys_openat2(root_.get(), so_far.c_str(),
                                             O_PATH | O_DIRECTORY | O_CLOEXEC, 0,
                                             RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS));
        };
        auto next = open();
        if (next.get() == -ENOENT && make && ::mkdirat(at.get(), part.c_str(), 0755) == 0)
            next = open();
        if (!next) {
            Error error =
                errno_error(-next.get(), fmt::format("'{}' is not unpacked", printable(path)));
            if (next.get() == -ENOENT) error.code = Code::not_found;
            error.why = fmt::format("'{}' is no directory in it: {}", printable(so_far.substr(2)),
                                    error.why);
            return fail(std::move(error));
        }
        at = std::move(next);
    }
    return at;
}

Result<Place> Tree::locate(std::string_view path, bool make) const {
    PMOS_ASSIGN(auto parts, parts_of(path));
    Place place;
    if (!parts.empty()) {
        place.name = std::move(parts.back());
        parts.pop_back();
    }
    std::string parent;
    for (const auto& part : parts) parent += part + "/";
    PMOS_ASSIGN(place.directory, enter(parent, make));
    return place;
}

Result<> Tree::clear(const Place& place, bool for_directory) {
    struct stat st {};
    if (::fstatat(place.directory.get(), place.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
        return {};
    if (for_directory && S_ISDIR(st.st_mode)) return {};
    PMOS_TRY(remove(place.directory.borrow(), place.name, false));
    return {};
}

void Tree::note(const Place& place) {
    made_.emplace(inode_of(place.directory.borrow()), place.name);
}

Result<> Tree::white_out(const Place& place) {
    PMOS_TRY(remove(place.directory.borrow(), place.name, true));
    return {};
}

Result<> Tree::white_out_rest(const Place& directory) {
    PMOS_TRY(empty(directory.directory.borrow(), true));
    return {};
}

Result<bool> Tree::empty(BorrowedFd directory, bool keep_new) {
    PMOS_ASSIGN(const auto names, names_in(directory));
    bool all = true;
    for (const auto& name : names) {
        PMOS_ASSIGN(const bool gone, remove(directory, name, keep_new));
        all = all && gone;
    }
    return all;
}

Result<bool> Tree::remove(BorrowedFd directory, const std::string& name, bool keep_new) {
    const bool is_new = keep_new && made_.contains({inode_of(directory), name});
    const UniqueFd inside(
        ::openat(directory.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (inside) {
        // A directory that this layer has as well keeps what this layer put there.
        PMOS_ASSIGN(const bool all, empty(inside.borrow(), keep_new));
        if (!all || is_new) return false;
    } else if (errno == ENOENT) {
        return true;
    } else if (is_new) {
        return false;
    }
    if (::unlinkat(directory.get(), name.c_str(), inside ? AT_REMOVEDIR : 0) == 0) return true;
    return fail(errno_error(errno, fmt::format("cannot remove '{}'", printable(name))));
}

}  // namespace pmos::unpack
