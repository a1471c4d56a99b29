// oci: the cgroup (v2) of a container: made, limited, frozen, counted, removed. Works on without
// one where nothing needs it, and says so; never decides what is to be limited.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "policy/oci_config.h"
#include "runtime/host/cgroup.h"
#include "runtime/oci/cgroup_levels.h"
#include "runtime/oci/cgroup_place.h"

namespace pmos::oci {

enum class CgroupManager : std::uint8_t { none, cgroupfs, systemd };
inline constexpr std::string_view kCgroupManagerNames = "none|cgroupfs|systemd";

struct CgroupRequest {
    std::string id;
    std::string cgroups_path;  // linux.cgroupsPath
    CgroupManager manager = CgroupManager::cgroupfs;
    // Without privileges on the host: also root of a user namespace other than the first.
    bool rootless = false;
    policy::oci::Resources resources;
    // In a user namespace of its own, or without CAP_MKNOD: where no filter can be had, it reaches
    // no device but those that its configuration gives it.
    bool makes_no_device = false;
    int pid = 0;  // systemd's manager must have it; else 0, and clone3 takes fd(), or attach()
    std::string helper;  // path of pmos-oci-systemd
};

// What the container's state keeps of it.
struct CgroupRecord {
    CgroupManager manager = CgroupManager::none;
    std::string path;   // of its directory
    std::string scope;  // of systemd: of the user's own manager where rootless
    std::string helper;
    bool rootless = false;
};

class ContainerCgroup {
  public:
    // Everything or nothing: what was made half-way is removed again, and what was there stays.
    // No cgroup at all where this host, or the user, has none to give and nothing needs one.
    static Result<ContainerCgroup> create(
        const CgroupRequest& request, const std::optional<CgroupTree>& tree = find_cgroup_tree());
    // Code::not_found when it was removed meanwhile.
    static Result<ContainerCgroup> open(CgroupRecord record);

    // Not without one: every call but remove() and undo() is Code::unsupported then.
    explicit operator bool() const { return cgroup_.has_value(); }
    const CgroupRecord& record() const { return record_; }
    // What does not hold though it was asked for or is usual, in words, for the log.
    const std::vector<std::string>& statements() const { return statements_; }

    BorrowedFd fd() const;  // for CLONE_INTO_CGROUP
    // Of one that create() took over, cgroup.kill may have been written to before: what is cloned
    // into it is then killed at its birth (seen on Linux 6.18). It lets in what attach() brings.
    bool is_new() const { return made_.has(record_.path); }
    Result<void> attach(int pid) const;
    // For a container that has a cgroup namespace and sees its part of the tree to write to it.
    Result<void> give_to(std::uint32_t uid, std::uint32_t gid) const;

    // All or nothing: where one part fails, the limits are again as they were. A list of devices
    // without a rule changes none.
    Result<void> update(const policy::oci::Resources& resources);

    // Waits until it is so; undone when it takes too long.
    Result<void> freeze();
    Result<void> thaw();
    Result<bool> is_frozen() const;

    // To every process in it and below. SIGKILL also reaches frozen ones and those that are born
    // meanwhile.
    Result<void> kill(int signal);
    // Of every process in it and below, sorted.
    Result<std::vector<int>> pids() const;
    Result<bool> populated() const;
    // Bounded. Code::timed_out where processes are left.
    Result<void> wait_empty(int limit_ms) const;

    // The data of an event "stats", on one line.
    Result<std::string> stats() const;
    // memory.events: POLLPRI on every change. Code::not_found without the memory controller.
    Result<host::WatchedFile> watch_memory() const;
    // How often the kernel has killed for memory, of a text of that file.
    static std::uint64_t memory_kills(std::string_view memory_events);

    // With what is below it, once its processes are gone: waits a moment for those that still end.
    // One that is gone is a success.
    Result<void> remove();
    // Of a creation that failed later: only what create() made.
    Result<void> undo();

  private:
    ContainerCgroup() = default;
    Result<void> make(const CgroupTree& tree, const CgroupRequest& request,
                      const std::string& place);
    Result<void> start(const CgroupTree& tree, const CgroupRequest& request);
    Result<void> confine(const CgroupTree& tree, const CgroupRequest& request,
                         const std::string& place);
    // What the files had before is added to `before`.
    Result<void> limit(const std::vector<policy::CgroupLimit>& limits,
                       std::vector<policy::CgroupLimit>& before);
    Error put_back(Error cause, const std::vector<policy::CgroupLimit>& before);
    Result<void> filter_devices(const std::vector<policy::oci::DeviceRule>& rules);
    Result<void> open_directory();
    Result<void> wait_until(bool (host::Cgroup::*state)() const, bool wanted, int limit_ms) const;
    Result<void> must_exist() const;

    CgroupRecord record_;
    std::optional<host::Cgroup> cgroup_;
    MadeLevels made_;
    std::vector<std::string> statements_;
};

}  // namespace pmos::oci
