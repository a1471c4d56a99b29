// volume: loop devices for volumes that are files. Attached explicitly, freed by the kernel with
// their last opener, so that nothing is left behind by a worker that is killed.
#include "runtime/volume/loop.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "runtime/sys/loop.h"
#include "runtime/volume/patience.h"

namespace pmos::volume {
namespace {

namespace fs = std::filesystem;

std::string read_line(const fs::path& path) {
    std::ifstream stream(path);
    std::string line;
    std::getline(stream, line);
    return line;
}

bool is_backed_by(const std::string& device, const struct stat& file) {
    const UniqueFd fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    loop_info64 info{};
    return fd && ::ioctl(fd.get(), LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == file.st_ino &&
           info.lo_device == file.st_dev;
}

// It is not the file that is missing: that one is open.
Error no_loop(int err, const std::string& name) {
    constexpr const char* kControl = "/dev/loop-control";
    Error error = errno_error(err, fmt::format("cannot attach '{}' to a loop device", name),
                              "is the kernel module 'loop' there, and a device free?");
    if (::access(kControl, F_OK) == 0) return error;
    error.code = Code::unsupported;
    error.why = fmt::format("there is no '{}'", kControl);
    error.fix = "load the kernel module 'loop'";
    return error;
}

}  // namespace

Result<LoopDevice> LoopDevice::attach(BorrowedFd file, const std::string& name, bool read_only) {
    std::uint32_t flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
    if (read_only) flags |= LO_FLAGS_READ_ONLY;
    sys::LoopRequest request{file.get(), name, flags};
    request.may_sleep = true;
    sys::LoopPath path;
    UniqueFd fd(sys::sys_attach_loop(request, path));
    if (!fd) return fail(no_loop(-fd.get(), name));
    return LoopDevice(std::move(fd), path.text);
}

std::vector<std::string> mappings_above(const std::string& sysfs) {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& holder : fs::directory_iterator(fs::path(sysfs) / "holders", ignored))
        if (auto name = read_line(holder.path() / "dm" / "name"); !name.empty())
            names.push_back(std::move(name));
    return names;
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
        if (is_backed_by(device, st)) users.push_back({device, mappings_above(entry.path())});
    }
    return users;
}

bool wait_until_loop_is_free(BorrowedFd file) {
    for (Patience patience; !find_loop_users(file).empty();)
        if (!patience.more()) return false;
    return true;
}

}  // namespace pmos::volume
