// sys: device-mapper's ioctls (linux/dm-ioctl.h). Raw system calls, noexcept, value or -errno; no
// heap, no udev: a node under /dev is the kernel's own (devtmpfs).
#pragma once

#include <errno.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include "runtime/sys/file.h"

namespace pmos::sys {

inline constexpr std::size_t kDmTableSize = 1024;

// One request, with room for a table of one target.
struct DmRequest {
    dm_ioctl head{};
    dm_target_spec target{};
    char parameters[kDmTableSize]{};
};

inline int sys_open_device_mapper() noexcept {
    return sys_openat(AT_FDCWD, "/dev/mapper/control", O_RDWR | O_CLOEXEC);
}

inline void dm_begin(DmRequest& request, std::string_view name) noexcept {
    request = {};
    request.head.version[0] = DM_VERSION_MAJOR;
    request.head.data_size = sizeof request;
    request.head.data_start = sizeof request.head;
    const auto size = std::min<std::size_t>(name.size(), DM_NAME_LEN - 1);
    std::memcpy(request.head.name, name.data(), size);
}

// The device's number; -EBUSY where the name or the uuid is taken. It has no table yet.
inline int sys_dm_create(int control, std::string_view name, std::string_view uuid,
                         std::uint64_t& device) noexcept {
    DmRequest request;
    dm_begin(request, name);
    const auto size = std::min<std::size_t>(uuid.size(), DM_UUID_LEN - 1);
    std::memcpy(request.head.uuid, uuid.data(), size);
    const int err = sys_ioctl(control, DM_DEV_CREATE, &request);
    device = request.head.dev;
    return err;
}

struct DmTarget {
    std::string_view type;  // "verity"
    std::uint64_t sectors = 0;
    std::string_view parameters;
};

// Not in use before it is resumed. flags: DM_READONLY_FLAG, or none.
inline int sys_dm_load(int control, std::string_view name, const DmTarget& target,
                       std::uint32_t flags) noexcept {
    DmRequest request;
    if (target.parameters.size() >= kDmTableSize ||
        target.type.size() >= sizeof request.target.target_type)
        return -E2BIG;
    dm_begin(request, name);
    request.head.flags = flags;
    request.head.target_count = 1;
    request.target.length = target.sectors;
    request.target.next = sizeof request.target + kDmTableSize;
    std::memcpy(request.target.target_type, target.type.data(), target.type.size());
    std::memcpy(request.parameters, target.parameters.data(), target.parameters.size());
    return sys_ioctl(control, DM_TABLE_LOAD, &request);
}

// The loaded table is what the device has from now on.
inline int sys_dm_resume(int control, std::string_view name) noexcept {
    DmRequest request;
    dm_begin(request, name);
    return sys_ioctl(control, DM_DEV_SUSPEND, &request);
}

// A table that was loaded and has not come into use goes.
inline int sys_dm_clear(int control, std::string_view name) noexcept {
    DmRequest request;
    dm_begin(request, name);
    return sys_ioctl(control, DM_TABLE_CLEAR, &request);
}

// request.head.flags: DM_SUSPEND_FLAG and the like.
inline int sys_dm_status(int control, std::string_view name, DmRequest& request) noexcept {
    dm_begin(request, name);
    return sys_ioctl(control, DM_DEV_STATUS, &request);
}

// request.target: the first of request.head.target_count that its table consists of.
inline int sys_dm_table(int control, std::string_view name, DmRequest& request) noexcept {
    dm_begin(request, name);
    request.head.flags = DM_STATUS_TABLE_FLAG | DM_NOFLUSH_FLAG;
    return sys_ioctl(control, DM_TABLE_STATUS, &request);
}

// To its first target.
inline int sys_dm_message(int control, std::string_view name, std::string_view message) noexcept {
    DmRequest request;
    if (message.size() >= kDmTableSize) return -E2BIG;
    dm_begin(request, name);
    // A dm_target_msg: the sector, then the text.
    char* const payload = reinterpret_cast<char*>(&request.target);
    std::memcpy(payload + offsetof(dm_target_msg, message), message.data(), message.size());
    return sys_ioctl(control, DM_TARGET_MSG, &request);
}

inline int sys_dm_remove(int control, std::string_view name) noexcept {
    DmRequest request;
    dm_begin(request, name);
    return sys_ioctl(control, DM_DEV_REMOVE, &request);
}

// Goes now, or with its last user.
inline int sys_dm_remove_deferred(int control, std::string_view name) noexcept {
    DmRequest request;
    dm_begin(request, name);
    request.head.flags = DM_DEFERRED_REMOVE;
    return sys_ioctl(control, DM_DEV_REMOVE, &request);
}

// Calls each(name) for every device; -ENOSPC where they are more than fit into `buffer`.
template <class Each>
int sys_dm_list(int control, std::span<std::byte> buffer, Each each) noexcept {
    std::fill(buffer.begin(), buffer.end(), std::byte{0});
    auto* head = reinterpret_cast<dm_ioctl*>(buffer.data());
    head->version[0] = DM_VERSION_MAJOR;
    head->data_size = static_cast<std::uint32_t>(buffer.size());
    head->data_start = sizeof *head;
    const int err = sys_ioctl(control, DM_LIST_DEVICES, head);
    if (err < 0) return err;
    if ((head->flags & DM_BUFFER_FULL_FLAG) != 0) return -ENOSPC;
    for (std::size_t at = head->data_start; at + sizeof(dm_name_list) <= buffer.size();) {
        const auto* one = reinterpret_cast<const dm_name_list*>(buffer.data() + at);
        if (one->dev != 0) each(std::string_view(one->name));
        if (one->next == 0) break;
        at += one->next;
    }
    return 0;
}

}  // namespace pmos::sys
