// host: one mode's cgroup (v2). Never blocks for long: what takes time is waited for by the
// caller on open_events().
#include "runtime/host/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>

#include "runtime/host/small_file.h"

namespace pmos::host {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, 4> kControllers{"memory", "pids", "cpu", "io"};
constexpr int kRemoveAttempts = 20;
constexpr int kEnableAttempts = 50;
constexpr int kMaxDepth = 200;  // each holds a descriptor

Result<UniqueFd> open_directory(BorrowedFd base, const std::string& path) {
    UniqueFd fd(::openat(base ? base.get() : AT_FDCWD, path.c_str(),
                         O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return fail(errno_error(errno, fmt::format("cannot open cgroup '{}'", path)));
    return fd;
}

std::vector<std::string> controllers_in(BorrowedFd directory, const char* file) {
    return split_words(read_small_file(directory, file).value_or(""));
}

bool has(const std::vector<std::string>& words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

// Best effort: what cannot be enabled is not among the facts, and a profile that needs it is
// refused by name.
void enable_controllers(BorrowedFd directory) {
    const auto available = controllers_in(directory, "cgroup.controllers");
    const auto enabled = controllers_in(directory, "cgroup.subtree_control");
    for (const auto controller : kControllers) {
        if (!has(available, controller) || has(enabled, controller)) continue;
        for (int i = 0; i < kEnableAttempts; ++i) {
            const int r = write_small_file(directory, "cgroup.subtree_control",
                                           fmt::format("+{}", controller));
            if (r != EBUSY) break;
            std::this_thread::sleep_for(10ms);  // pmos-hold is about to move aside
        }
    }
}

// Children first; stops at the first that is busy.
int remove_tree(int parent, const std::string& name, int depth) {
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
    if (errno != EBUSY || depth == kMaxDepth) return errno;
    UniqueFd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return errno;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(fd.get()), &::closedir);
    if (!directory) return errno;
    const int self = fd.release();
    while (const dirent* entry = ::readdir(directory.get())) {
        const std::string child = entry->d_name;
        if (entry->d_type != DT_DIR || child == "." || child == "..") continue;
        if (const int r = remove_tree(self, child, depth + 1); r != 0) return r;
    }
    return ::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : errno;
}

Error limit_error(const policy::CgroupLimit& limit, int err) {
    Error error = errno_error(err, fmt::format("cannot apply limit '{}' of '{}'", limit.value,
                                               limit.pointer.empty() ? limit.file : limit.pointer));
    if (err == ENOENT || err == EOPNOTSUPP) {
        error.code = Code::unsupported;
        error.why = fmt::format("this kernel offers no '{}'", limit.file);
        error.fix =
            fmt::format("enable the '{}' controller, or make the limit optional", limit.controller);
    }
    return error;
}

}  // namespace

Result<void> prepare_cgroup_root(const std::string& root) {
    const auto slash = root.rfind('/');
    if (slash == std::string::npos || slash + 1 == root.size())
        return fail(Code::usage, fmt::format("'{}' cannot hold cgroups", root));
    PMOS_ASSIGN(const UniqueFd parent,
                open_directory({}, root.substr(0, std::max<std::size_t>(slash, 1))));
    const std::string name = root.substr(slash + 1);
    const bool made = ::mkdirat(parent.get(), name.c_str(), 0755) == 0;
    if (!made && errno != EEXIST)
        return fail(errno_error(errno, fmt::format("cannot make cgroup '{}'", root)));
    PMOS_ASSIGN(const UniqueFd directory, open_directory(parent.borrow(), name));
    struct statfs st {};
    if (::fstatfs(directory.get(), &st) != 0 || st.f_type != CGROUP2_SUPER_MAGIC) {
        if (made) ::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR);
        return fail(Code::unsupported, fmt::format("'{}' is not in a cgroup v2 tree", root), "",
                    "mount cgroup2 at /sys/fs/cgroup (systemd.unified_cgroup_hierarchy=1)");
    }
    // Without systemd's Delegate= nobody did it above.
    if (controllers_in(directory.borrow(), "cgroup.controllers").empty())
        enable_controllers(parent.borrow());
    enable_controllers(directory.borrow());
    return {};
}

Result<Cgroup> Cgroup::create(const std::string& root, const std::string& name) {
    PMOS_ASSIGN(UniqueFd parent, open_directory({}, root));
    if (::mkdirat(parent.get(), name.c_str(), 0755) != 0) {
        if (errno != EEXIST)
            return fail(errno_error(errno, fmt::format("cannot make cgroup '{}'", name)));
        // A fresh one has none of the limits the old one had.
        if (const int r = remove_tree(parent.get(), name, 0); r != 0)
            return fail(Code::busy, fmt::format("cgroup '{}' exists already", name),
                        "there are processes in it", "stop the mode first");
        if (::mkdirat(parent.get(), name.c_str(), 0755) != 0)
            return fail(errno_error(errno, fmt::format("cannot make cgroup '{}'", name)));
    }
    PMOS_ASSIGN(UniqueFd directory, open_directory(parent.borrow(), name));
    return Cgroup(std::move(directory), std::move(parent), name);
}

Result<Cgroup> Cgroup::open(const std::string& root, const std::string& name) {
    PMOS_ASSIGN(UniqueFd parent, open_directory({}, root));
    PMOS_ASSIGN(UniqueFd directory, open_directory(parent.borrow(), name));
    return Cgroup(std::move(directory), std::move(parent), name);
}

Result<void> Cgroup::write(std::string_view file, std::string_view value) const {
    if (const int r = write_small_file(fd(), std::string(file), value); r != 0)
        return fail(errno_error(r, fmt::format("cannot write '{}' of cgroup '{}'", file, name_)));
    return {};
}

Result<std::vector<std::string>> Cgroup::apply(const std::vector<policy::CgroupLimit>& limits) {
    std::vector<std::string> left_out;
    const auto available = controllers_in(fd(), "cgroup.controllers");
    for (const auto& limit : limits) {
        if (limit.file.find('/') != std::string::npos || limit.file.empty())
            return fail(Code::usage, fmt::format("'{}' is not a cgroup file", limit.file));
        const bool there = limit.controller.empty() || has(available, limit.controller);
        const int r = there ? write_small_file(fd(), limit.file, limit.value) : ENOENT;
        if (r == 0) continue;
        if (!limit.optional || (r != ENOENT && r != EOPNOTSUPP)) return fail(limit_error(limit, r));
        left_out.push_back(limit_error(limit, r).message());
    }
    return left_out;
}

Result<void> Cgroup::freeze() { return write("cgroup.freeze", "1"); }
Result<void> Cgroup::thaw() { return write("cgroup.freeze", "0"); }
Result<void> Cgroup::kill() { return write("cgroup.kill", "1"); }

Result<void> Cgroup::remove() {
    int r = 0;
    for (int i = 0; i < kRemoveAttempts; ++i) {
        r = remove_tree(root_.get(), name_, 0);
        if (r == 0) return {};
        if (r != EBUSY || populated()) break;
        std::this_thread::sleep_for(5ms);
    }
    return fail(errno_error(r, fmt::format("cannot remove cgroup '{}'", name_),
                            "kill what is in it first"));
}

bool Cgroup::event(std::string_view key) const {
    const auto words = split_words(read_small_file(fd(), "cgroup.events").value_or(""));
    for (std::size_t i = 0; i + 1 < words.size(); i += 2)
        if (words[i] == key) return words[i + 1] == "1";
    return false;
}

bool Cgroup::is_frozen() const { return event("frozen"); }
bool Cgroup::freezes() const {
    return read_small_file(fd(), "cgroup.freeze").value_or("").starts_with('1');
}
bool Cgroup::populated() const { return event("populated"); }

bool Cgroup::contains(int pid) const {
    return has(split_words(read_small_file(fd(), "cgroup.procs").value_or("")),
               std::to_string(pid));
}

Result<UniqueFd> Cgroup::open_events() const {
    UniqueFd fd(::openat(directory_.get(), "cgroup.events", O_RDONLY | O_CLOEXEC));
    if (!fd) return fail(errno_error(errno, fmt::format("cannot watch cgroup '{}'", name_)));
    settle_events(fd.borrow());
    return fd;
}

Result<UniqueFd> Cgroup::open_to_write(const std::string& file) const {
    UniqueFd fd(::openat(directory_.get(), file.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return fail(errno_error(errno, fmt::format("cannot set '{}' of '{}'", file, name_)));
    return fd;
}

Result<WatchedFile> Cgroup::watch(const std::string& file) const {
    UniqueFd fd(::openat(directory_.get(), file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return fail(errno_error(errno, fmt::format("cannot watch '{}' of '{}'", file, name_)));
    return WatchedFile(std::move(fd));
}

std::string WatchedFile::read() const {
    std::array<char, 4096> text{};
    const ssize_t size = ::pread(fd_.get(), text.data(), text.size(), 0);
    return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string();
}

void Cgroup::settle_events(BorrowedFd events) {
    std::array<char, 256> text{};
    [[maybe_unused]] const ssize_t size = ::pread(events.get(), text.data(), text.size(), 0);
}

}  // namespace pmos::host
