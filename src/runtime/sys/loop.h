// sys: a file as a loop device. Raw system calls, noexcept, value or -errno; never errno, no heap.
#pragma once

#include <errno.h>
#include <linux/loop.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include "runtime/sys/file.h"

namespace pmos::sys {

struct LoopRequest {
    int file = -1;
    std::string_view name;         // what losetup(8) shows; cut to what fits
    std::uint32_t flags = 0;       // LO_FLAGS_*
    std::uint32_t block_size = 0;  // 0: as the file's device has it
    bool may_sleep = false;        // waits, up to a second, for a device that is in the making
};

struct LoopPath {
    char text[32] = "/dev/loop";
};

// The device's descriptor, which keeps it where LO_FLAGS_AUTOCLEAR is asked for; -errno. -EBUSY:
// other programs were quicker, each time: LOOP_CTL_GET_FREE reserves nothing. Who may sleep has the
// patience, too, for a node that udev has yet to make where /dev is no devtmpfs.
inline int sys_attach_loop(const LoopRequest& request, LoopPath& path) noexcept {
    const int attempts = request.may_sleep ? 64 : 8;
    constexpr timespec kPause{0, 10'000'000};
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(request.file);
    config.block_size = request.block_size;
    config.info.lo_flags = request.flags;
    const std::size_t size = std::min<std::size_t>(request.name.size(), LO_NAME_SIZE - 1);
    std::memcpy(config.info.lo_file_name, request.name.data(), size);
    const int mode = (request.flags & LO_FLAGS_READ_ONLY) != 0 ? O_RDONLY : O_RDWR;
    const int control = sys_openat(AT_FDCWD, "/dev/loop-control", O_RDWR | O_CLOEXEC);
    int result = control;
    for (int i = 0; control >= 0 && i < attempts; ++i) {
        const int number = sys_ioctl(control, LOOP_CTL_GET_FREE, nullptr);
        result = number;
        if (number < 0) break;
        char* const digits = path.text + std::strlen("/dev/loop");
        *std::to_chars(digits, path.text + sizeof path.text - 1, number).ptr = '\0';
        const int fd = sys_openat(AT_FDCWD, path.text, mode | O_CLOEXEC);
        result = fd < 0 ? fd : sys_ioctl(fd, LOOP_CONFIGURE, &config);
        if (result == 0) result = fd;
        if (result >= 0) break;
        if (fd >= 0) sys_close(fd);
        const bool in_the_making = result == -ENOENT || result == -ENXIO;
        if (result != -EBUSY && !(in_the_making && request.may_sleep)) break;
        if (request.may_sleep) raw(SYS_nanosleep, &kPause, nullptr);
    }
    if (control >= 0) sys_close(control);
    return result;
}

}  // namespace pmos::sys
