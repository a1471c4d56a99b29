// volume: how much of the file system on a device is in use. Only looks.
#include "runtime/volume/usage.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace pmos::volume {
namespace {

constexpr std::size_t kSuperblock = 1024;

std::uint64_t little(const unsigned char* at, int bytes) {
    std::uint64_t value = 0;
    for (int i = bytes; i-- > 0;) value = value << 8 | at[i];
    return value;
}

// The superblock on the device is as old as the last sync; its size holds, what is free does not.
Result<std::uint64_t> free_when_mounted(const std::string& device) {
    PMOS_ASSIGN(const UniqueFd root, mount_detached(device));
    struct statfs st {};
    if (::fstatfs(root.get(), &st) != 0)
        return fail(errno_error(errno, fmt::format("cannot look at '{}'", device)));
    return static_cast<std::uint64_t>(st.f_bfree);
}

Result<Superblock> read_superblock(const std::string& device) {
    const UniqueFd fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    unsigned char raw[kSuperblock];
    if (!fd || ::pread(fd.get(), raw, sizeof raw, kSuperblock) != sizeof raw)
        return fail(errno_error(errno, fmt::format("cannot read '{}'", device)));
    return parse_superblock(raw);
}

}  // namespace

Result<std::uint64_t> size_of_device(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::uint64_t bytes = 0;
    if (!fd || ::ioctl(fd.get(), BLKGETSIZE64, &bytes) != 0)
        return fail(errno_error(errno, fmt::format("cannot look at '{}'", path)));
    return bytes;
}

bool is_mounted(const std::string& device) {
    const UniqueFd fd(::open(device.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
    return !fd && errno == EBUSY;
}

Result<UniqueFd> mount_detached(const std::string& device) {
    const auto failed = [&] {
        return fail(errno_error(errno, fmt::format("cannot mount '{}'", device)));
    };
    const UniqueFd context(::fsopen("ext4", FSOPEN_CLOEXEC));
    if (!context || ::fsconfig(context.get(), FSCONFIG_SET_STRING, "source", device.c_str(), 0) ||
        ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0))
        return failed();
    UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC,
                             MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
    if (!mount) return failed();
    return mount;
}

Result<Superblock> parse_superblock(const unsigned char (&raw)[1024]) {
    constexpr std::uint32_t kMagic = 0xEF53, k64Bit = 0x80;
    Superblock s;
    const auto log_size = little(raw + 0x18, 4);
    if (little(raw + 0x38, 2) != kMagic || log_size > 6)
        return fail(Code::failed, "the volume holds no ext4 file system");
    const bool wide = (little(raw + 0x60, 4) & k64Bit) != 0;
    s.block_size = 1024U << log_size;
    s.blocks = little(raw + 0x4, 4) | (wide ? little(raw + 0x150, 4) << 32 : 0);
    s.free = little(raw + 0xC, 4) | (wide ? little(raw + 0x158, 4) << 32 : 0);
    if (s.free > s.blocks) return fail(Code::failed, "the volume's file system is damaged");
    return s;
}

Result<void> check_length(const std::string& device) {
    const auto s = read_superblock(device);
    if (!s) return {};
    PMOS_ASSIGN(const std::uint64_t bytes, size_of_device(device));
    if (s->blocks <= bytes / s->block_size) return {};
    return fail(Code::failed, "the volume has lost its end",
                fmt::format("it has {} bytes, and a file system of {} on it", bytes,
                            s->blocks * s->block_size),
                "copy all of it back from where it was whole; nothing has been written");
}

Result<std::uint64_t> used_bytes(const std::string& device) {
    PMOS_ASSIGN(auto s, read_superblock(device));
    if (is_mounted(device)) {
        PMOS_ASSIGN(s.free, free_when_mounted(device));
    }
    return (s.blocks - std::min(s.blocks, s.free)) * s.block_size;
}

}  // namespace pmos::volume
