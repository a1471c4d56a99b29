// volume: loop devices for volumes that are files. Attached explicitly, freed by the kernel with
// their last opener, so that nothing is left behind by a worker that is killed.
#include "runtime/volume/loop.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>

#include "runtime/volume/patience.h"

namespace pmos::volume {
namespace {

namespace fs = std::filesystem;

constexpr int kAttempts = 16;

loop_config make_config(BorrowedFd file, const std::string& name, bool read_only) {
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(file.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
    if (read_only) config.info.lo_flags |= LO_FLAGS_READ_ONLY;
    const auto length = std::min(name.size(), sizeof config.info.lo_file_name - 1);
    std::copy_n(name.begin(), length, config.info.lo_file_name);
    return config;
}

std::string read_line(const fs::path& path) {
    std::ifstream stream(path);
    std::string line;
    std::getline(stream, line);
    return line;
}

std::string dm_holder_of(const fs::path& sysfs) {
    std::error_code ignored;
    for (const auto& holder : fs::directory_iterator(sysfs / "holders", ignored))
        if (auto name = read_line(holder.path() / "dm" / "name"); !name.empty()) return name;
    return {};
}

bool is_backed_by(const std::string& device, const struct stat& file) {
    const UniqueFd fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    loop_info64 info{};
    return fd && ::ioctl(fd.get(), LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == file.st_ino &&
           info.lo_device == file.st_dev;
}

}  // namespace

Result<LoopDevice> LoopDevice::attach(BorrowedFd file, const std::string& name, bool read_only) {
    const UniqueFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
    if (!control)
        return fail(errno_error(errno, "cannot use loop devices", "load the kernel module 'loop'"));
    const loop_config config = make_config(file, name, read_only);
    int last = EBUSY;
    for (int i = 0; i < kAttempts; ++i) {
        const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
        if (number < 0)
            return fail(errno_error(errno, "no loop device is free",
                                    "detach unused ones (losetup -d) or raise loop.max_loop"));
        std::string path = fmt::format("/dev/loop{}", number);
        UniqueFd fd(::open(path.c_str(), (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC));
        // udev may not have made the node yet, another program may have been quicker.
        if (fd && ::ioctl(fd.get(), LOOP_CONFIGURE, &config) == 0)
            return LoopDevice(std::move(fd), std::move(path));
        last = errno;
        if (last != EBUSY && last != ENOENT && last != ENXIO) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return fail(errno_error(last, fmt::format("cannot attach '{}' to a loop device", name)));
}

std::vector<LoopUser> find_loop_users(BorrowedFd file) {
    std::vector<LoopUser> users;
    struct stat st {};
    if (::fstat(file.get(), &st) != 0) return users;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/sys/block", ignored)) {
        const std::string name = entry.path().filename();
        if (!name.starts_with("loop") || !fs::exists(entry.path() / "loop", ignored)) continue;
        const std::string device = "/dev/" + name;
        if (is_backed_by(device, st)) users.push_back({device, dm_holder_of(entry.path())});
    }
    return users;
}

bool wait_until_loop_is_free(BorrowedFd file) {
    for (Patience patience; !find_loop_users(file).empty();)
        if (!patience.more()) return false;
    return true;
}

}  // namespace pmos::volume
