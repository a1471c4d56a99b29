// volume: loop devices for volumes that are files. Attached explicitly, freed by the kernel with
// their last opener, so that nothing is left behind by a worker that is killed.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::volume {

class LoopDevice {
  public:
    // name is what losetup(8) shows.
    static Result<LoopDevice> attach(BorrowedFd file, const std::string& name, bool read_only);
    const std::string& path() const { return path_; }

  private:
    LoopDevice(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    UniqueFd fd_;
    std::string path_;
};

// How long a loop device may take to go: the kernel frees it with the last close, and udev may be
// reading it.
inline constexpr std::chrono::milliseconds kLoopPatience{5000};

struct LoopUser {
    std::string loop;       // "/dev/loop3"
    std::string dm_holder;  // the device-mapper name on top, "" when there is none
};

// Who has this file as a loop device.
std::vector<LoopUser> find_loop_users(BorrowedFd file);

// Waits until nobody has; the kernel frees a loop device a moment after its last close.
bool wait_until_loop_is_free(BorrowedFd file, std::chrono::milliseconds limit);

}  // namespace pmos::volume
