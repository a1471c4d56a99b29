// native tests: a private mount namespace with a root image, a cgroup and a launcher to start
// things in. Needs root; leaves nothing behind.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "base/fd.h"
#include "policy/launch_plan.h"
#include "runtime/launch/client.h"
#include "runtime/launch/root_image.h"

namespace pmos::test {

// Value or a failed test with the error's message.
template <class T>
T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct Paths {
    std::string launcher, init, probe, tryer;
};
// From the command line of the test program; set before any World is made.
Paths& paths();

// Moves this process into a mount namespace of its own, once. "" or why that is impossible.
std::string enter_private_mounts();

// Everything a mode in these tests has unless a test changes it.
policy::LaunchPlan base_plan();

// A process that a launch has made: ours to reap.
struct Running {
    launch::LaunchReply reply;
    UniqueFd status;  // pmos-init's ExitRecord
    UniqueFd output;  // its stdout and stderr
};

class World {
  public:
    using Prepare = std::function<void(const std::string& root)>;
    // prepare may change the root tree before the image is made of it.
    explicit World(const Prepare& prepare = {});
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    Running start(const policy::LaunchPlan& plan, launch::Request request = {});
    Running enter(const policy::LaunchPlan& plan, const Running& mode,
                  launch::Request request = {});
    launch::LaunchReply change_devices(const policy::LaunchPlan& plan, const Running& mode,
                                       launch::Request request = {});
    // Starts the probe with this plan and parses what it says.
    nlohmann::json report(const policy::LaunchPlan& plan);
    // Sends what the caller likes.
    launch::LaunchReply ask(const launch::Request& request, const launch::LaunchDescriptors& fds);

    // Takes the plan's id maps for idmapped mounts from now on.
    void use_id_maps(const policy::LaunchPlan& plan);

    const std::string& dir() const { return dir_; }
    std::string cgroup_file(const std::string& name) const { return cgroup_ + "/" + name; }
    BorrowedFd cgroup() const { return cgroup_fd_.borrow(); }
    const launch::RootImage& image() const { return *image_; }
    BorrowedFd net_ns() const { return net_ns_.borrow(); }
    BorrowedFd id_ns() const { return id_ns_.borrow(); }
    launch::LauncherProcess& launcher() { return launcher_; }
    // Once it waits for a request.
    std::set<std::string> launcher_fds() const;

  private:
    void wait_for_idle_launcher() const;

    std::string dir_, cgroup_;
    UniqueFd cgroup_fd_, net_ns_, id_ns_;
    std::optional<launch::RootImage> image_;
    launch::LauncherProcess launcher_;
};

// Blocks until end of file.
std::string read_all(BorrowedFd fd);
std::string read_line(BorrowedFd fd);
// Waits for a process that is ours; its wait status.
int wait_for(BorrowedFd pidfd);
// SIGTERM to a mode whose program has no handler for it, which has to end by that.
void stop(const Running& mode);
// A file with an ext4 behind a loop device, gone when this is: with the directories of a volume, or
// empty.
class LoopVolume {
  public:
    explicit LoopVolume(const std::string& file, bool parts = true);
    ~LoopVolume();
    LoopVolume(const LoopVolume&) = delete;
    LoopVolume& operator=(const LoopVolume&) = delete;
    const std::string& device() const { return device_; }

  private:
    std::string device_;
};

// First line of what a shell command prints; a failure is an exception.
std::string command_output(const std::string& command);
std::string read_text(const std::string& path);
void write_text(const std::string& path, const std::string& text);

}  // namespace pmos::test
