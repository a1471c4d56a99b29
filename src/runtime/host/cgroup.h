// host: one mode's cgroup (v2). Never blocks for long: what takes time is waited for by the
// caller on open_events().
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "policy/launch_plan.h"

namespace pmos::host {

// Makes the directory that holds the modes' cgroups, checks that it is cgroup v2 and enables
// there every controller that a profile can limit by and this kernel has. No process may be in
// the directory itself (pmos-hold moves aside in a cgroup that systemd delegates).
Result<void> prepare_cgroup_root(const std::string& root);

// A file that counts, or tells a state: POLLPRI on every change, from the opening on.
class WatchedFile {
  public:
    WatchedFile() = default;
    explicit WatchedFile(UniqueFd fd) : fd_(std::move(fd)) {}
    BorrowedFd fd() const { return fd_.borrow(); }
    // The text as it is now; poll says POLLPRI until it has been read.
    std::string read() const;

  private:
    UniqueFd fd_;
};

class Cgroup {
  public:
    // An empty one that a crash left is taken over; Code::busy when processes are in it.
    static Result<Cgroup> create(const std::string& root, const std::string& name);
    // Code::not_found when there is none.
    static Result<Cgroup> open(const std::string& root, const std::string& name);

    BorrowedFd fd() const { return directory_.borrow(); }

    // All or an error, which names the profile's key. What is optional and has no controller here
    // is left out and returned, in words.
    Result<std::vector<std::string>> apply(const std::vector<policy::CgroupLimit>& limits);

    // Asks; the kernel is done when is_frozen() says so.
    Result<void> freeze();
    Result<void> thaw();
    // SIGKILL to every process in it, also to frozen ones. They are gone when populated() is
    // false.
    Result<void> kill();
    // Also what is below it. Tries again for a moment: the last process leaves after its exit.
    Result<void> remove();

    bool is_frozen() const;
    // Whether that was asked for: a process inside the kernel may hold it up.
    bool freezes() const;
    bool populated() const;
    bool contains(int pid) const;
    // cgroup.events: POLLPRI on every change of frozen and populated, from the opening on.
    Result<UniqueFd> open_events() const;
    // For writes that take the kernel time. memory.reclaim, how much of what is in memory is to
    // leave it, is there since Linux 5.19.
    Result<UniqueFd> open_to_write(const std::string& file) const;
    Result<WatchedFile> watch(const std::string& file) const;
    // After each POLLPRI, before the state is looked at: poll says POLLPRI until this is called.
    static void settle_events(BorrowedFd events);

  private:
    Cgroup(UniqueFd directory, UniqueFd root, std::string name)
        : directory_(std::move(directory)), root_(std::move(root)), name_(std::move(name)) {}
    Result<void> write(std::string_view file, std::string_view value) const;
    bool event(std::string_view key) const;

    UniqueFd directory_, root_;
    std::string name_;
};

}  // namespace pmos::host
