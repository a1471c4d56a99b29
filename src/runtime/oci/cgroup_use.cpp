// oci: what is done to the processes of a container's cgroup, and what it counts.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>

#include "runtime/host/small_file.h"
#include "runtime/oci/cgroup.h"
#include "runtime/oci/cgroup_stats.h"
#include "runtime/sys/process.h"

namespace pmos::oci {
namespace {

constexpr int kFreezeLimitMs = 10000;
constexpr int kKillRounds = 100;
constexpr int kMaxDepth = 200;  // each level holds a descriptor
// What kernels delegate where they do not say it (before Linux 4.15).
constexpr std::string_view kDelegated = "cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n";

// Calls each(descriptor) for a cgroup and for all below it. What is removed meanwhile is left out.
void walk(UniqueFd directory, int depth, const std::function<void(BorrowedFd)>& each) {
    each(directory.borrow());
    const std::unique_ptr<DIR, int (*)(DIR*)> list(::fdopendir(directory.get()), &::closedir);
    if (!list || depth == kMaxDepth) return;
    const int self = directory.release();
    while (const dirent* entry = ::readdir(list.get())) {
        const std::string_view name = entry->d_name;
        if (entry->d_type != DT_DIR || name == "." || name == "..") continue;
        UniqueFd below(
            ::openat(self, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
        if (below) walk(std::move(below), depth + 1, each);
    }
}

UniqueFd opened_again(BorrowedFd directory) {
    return UniqueFd(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

std::vector<int> pids_in(BorrowedFd directory) {
    std::vector<int> pids;
    auto root = opened_again(directory);
    if (!root) return pids;
    walk(std::move(root), 0, [&](BorrowedFd one) {
        for (const auto& word :
             host::split_words(host::read_small_file(one, "cgroup.procs").value_or(""))) {
            int pid = 0;  // that of another pid namespace is 0
            std::from_chars(word.data(), word.data() + word.size(), pid);
            if (pid > 0) pids.push_back(pid);
        }
    });
    std::ranges::sort(pids);
    return pids;
}

// A number can be another process's by now: who is still in the cgroup once we hold it is meant.
bool signal_all(BorrowedFd directory, int signal) {
    std::vector<std::pair<int, UniqueFd>> held;
    for (const int pid : pids_in(directory)) {
        UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (pidfd) held.emplace_back(pid, std::move(pidfd));
    }
    const auto still = pids_in(directory);
    for (const auto& [pid, pidfd] : held)
        if (std::ranges::binary_search(still, pid))
            static_cast<void>(sys::sys_pidfd_send_signal(pidfd.get(), signal));
    return !still.empty();
}

std::vector<std::string> huge_page_sizes(BorrowedFd directory) {
    std::vector<std::string> sizes;
    auto again = opened_again(directory);
    const std::unique_ptr<DIR, int (*)(DIR*)> list(::fdopendir(again.get()), &::closedir);
    if (!list) return sizes;
    static_cast<void>(again.release());
    while (const dirent* entry = ::readdir(list.get())) {
        constexpr std::string_view kBegin = "hugetlb.", kEnd = ".current";
        std::string_view name = entry->d_name;
        if (!name.starts_with(kBegin) || !name.ends_with(kEnd)) continue;
        name = name.substr(kBegin.size(), name.size() - kBegin.size() - kEnd.size());
        if (name.find('.') == name.npos) sizes.emplace_back(name);  // not "2MB.rsvd"
    }
    std::ranges::sort(sizes);
    return sizes;
}

}  // namespace

Result<void> ContainerCgroup::must_exist() const {
    if (cgroup_) return {};
    return fail(Code::unsupported, "the container has no cgroup",
                statements_.empty() ? "" : statements_.front());
}

BorrowedFd ContainerCgroup::fd() const { return cgroup_ ? cgroup_->fd() : BorrowedFd(); }

Result<void> ContainerCgroup::attach(int pid) const {
    PMOS_TRY(must_exist());
    if (const int err = host::write_small_file(fd(), "cgroup.procs", fmt::format("{}", pid));
        err != 0)
        return fail(
            errno_error(err, fmt::format("cannot move a process into cgroup '{}'", record_.path)));
    return {};
}

Result<void> ContainerCgroup::give_to(std::uint32_t uid, std::uint32_t gid) const {
    PMOS_TRY(must_exist());
    auto files = host::split_words(
        host::read_small_file("/sys/kernel/cgroup/delegate").value_or(std::string(kDelegated)));
    files.emplace_back(".");
    for (const auto& file : files)
        if (::fchownat(fd().get(), file.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0 &&
            errno != ENOENT)  // of a controller that is not enabled
            return fail(errno_error(
                errno, fmt::format("cannot give '{}' of cgroup '{}' away", file, record_.path)));
    return {};
}

Result<void> ContainerCgroup::wait_until(bool (host::Cgroup::*state)() const, bool wanted,
                                         int limit_ms) const {
    using Clock = std::chrono::steady_clock;
    PMOS_ASSIGN(const UniqueFd events, cgroup_->open_events());
    const auto deadline = Clock::now() + std::chrono::milliseconds(limit_ms);
    while (((*cgroup_).*state)() != wanted) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        if (left.count() <= 0) return fail(Code::timed_out, "it takes too long");
        pollfd changed{events.get(), POLLPRI, 0};
        ::poll(&changed, 1, static_cast<int>(left.count()));
        host::Cgroup::settle_events(events.borrow());
    }
    return {};
}

Result<void> ContainerCgroup::freeze() {
    PMOS_TRY(must_exist());
    PMOS_TRY(cgroup_->freeze());
    auto frozen = wait_until(&host::Cgroup::is_frozen, true, kFreezeLimitMs);
    if (frozen) return {};
    Error error = std::move(frozen.error());
    error.what = fmt::format("cgroup '{}' did not freeze", record_.path);
    error.why = "a process in it is inside the kernel";
    if (auto undone = cgroup_->thaw(); !undone)
        error.undo_failures.push_back(std::move(undone.error()));
    return fail(std::move(error));
}

Result<void> ContainerCgroup::thaw() {
    PMOS_TRY(must_exist());
    PMOS_TRY(cgroup_->thaw());
    auto thawed = wait_until(&host::Cgroup::is_frozen, false, kFreezeLimitMs);
    if (thawed) return {};
    return fail(Code::timed_out, fmt::format("cgroup '{}' is still frozen", record_.path),
                "a cgroup above it is frozen");
}

Result<bool> ContainerCgroup::is_frozen() const {
    PMOS_TRY(must_exist());
    return cgroup_->is_frozen();
}

Result<bool> ContainerCgroup::populated() const {
    PMOS_TRY(must_exist());
    return cgroup_->populated();
}

Result<void> ContainerCgroup::kill(int signal) {
    PMOS_TRY(must_exist());
    if (signal != SIGKILL) {
        signal_all(fd(), signal);
        return {};
    }
    auto killed = cgroup_->kill();
    if (killed || killed.error().sys_errno != ENOENT) return killed;
    // Before Linux 5.14. A frozen one makes no more of itself, and a signal that ends it still
    // does.
    const bool was_frozen = cgroup_->freezes();
    static_cast<void>(cgroup_->freeze());
    for (int i = 0; i < kKillRounds && signal_all(fd(), SIGKILL); ++i) ::usleep(1000);
    if (!was_frozen) static_cast<void>(cgroup_->thaw());
    return {};
}

Result<std::vector<int>> ContainerCgroup::pids() const {
    PMOS_TRY(must_exist());
    return pids_in(fd());
}

Result<void> ContainerCgroup::wait_empty(int limit_ms) const {
    PMOS_TRY(must_exist());
    auto empty = wait_until(&host::Cgroup::populated, false, limit_ms);
    // Removed meanwhile: systemd does so with a scope's.
    if (empty || empty.error().code == Code::not_found) return {};
    if (empty.error().code != Code::timed_out) return empty;
    return fail(Code::timed_out, fmt::format("cgroup '{}' still has processes", record_.path), "",
                "kill what is in it first");
}

Result<std::string> ContainerCgroup::stats() const {
    PMOS_TRY(must_exist());
    return cgroup_stats({.read =
                             [this](const std::string& name) {
                                 return host::read_small_file(fd(), name).value_or("");
                             },
                         .huge_pages = huge_page_sizes(fd())});
}

Result<host::WatchedFile> ContainerCgroup::watch_memory() const {
    PMOS_TRY(must_exist());
    PMOS_ASSIGN(auto file, cgroup_->watch("memory.events"));
    static_cast<void>(file.read());  // from now on
    return file;
}

std::uint64_t ContainerCgroup::memory_kills(std::string_view memory_events) {
    const auto words = host::split_words(memory_events);
    std::uint64_t kills = 0;
    for (std::size_t i = 0; i + 1 < words.size(); i += 2)
        if (words[i] == "oom_kill")
            std::from_chars(words[i + 1].data(), words[i + 1].data() + words[i + 1].size(), kills);
    return kills;
}

}  // namespace pmos::oci
