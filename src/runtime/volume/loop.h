// volume: loop devices for volumes that are files. Attached explicitly, freed by the kernel with
// their last opener, so that nothing is left behind by a worker that is killed.
#pragma once

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

struct LoopUser {
    std::string loop;                   // "/dev/loop3"
    std::vector<std::string> mappings;  // the device-mapper names on top
};

// The device-mapper names on top of a block device, by its directory in sysfs.
std::vector<std::string> mappings_above(const std::string& sysfs);

// Who has this file as a loop device.
std::vector<LoopUser> find_loop_users(BorrowedFd file);

// Waits until nobody has, as long as there is a reason to (patience.h).
bool wait_until_loop_is_free(BorrowedFd file);

}  // namespace pmos::volume
