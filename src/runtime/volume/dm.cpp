// volume: what libcryptsetup cannot do with a mapping that is suspended, by the device mapper's own
// calls. Never sees a key.
#include "runtime/volume/dm.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/fd.h"
#include "runtime/volume/patience.h"

namespace pmos::volume::dm {
namespace {

// A call and what comes with it, as dm-ioctl.h wants it: in one piece.
struct alignas(dm_ioctl) Call {
    std::array<char, 1024> bytes{};

    explicit Call(const std::string& dm_name) {
        auto& h = head();
        h.version[0] = DM_VERSION_MAJOR;
        h.data_size = static_cast<std::uint32_t>(bytes.size());
        h.data_start = sizeof(dm_ioctl);
        dm_name.copy(h.name, sizeof h.name - 1);
    }
    dm_ioctl& head() { return *reinterpret_cast<dm_ioctl*>(bytes.data()); }
    template <class T>
    T& payload() {
        return *reinterpret_cast<T*>(bytes.data() + sizeof(dm_ioctl));
    }
    // 0 or an errno.
    int make(unsigned long request) {
        const UniqueFd control(::open("/dev/mapper/control", O_RDWR | O_CLOEXEC));
        if (!control) return errno;
        return ::ioctl(control.get(), request, bytes.data()) == 0 ? 0 : errno;
    }
};

std::string node_of(const std::string& dm_name) { return "/dev/mapper/" + dm_name; }

Result<std::uint64_t> sectors_of(const std::string& dm_name) {
    const UniqueFd device(::open(node_of(dm_name).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    std::uint64_t bytes = 0;
    if (!device || ::ioctl(device.get(), BLKGETSIZE64, &bytes) != 0)
        return fail(errno_error(errno, fmt::format("cannot look at device '{}'", dm_name)));
    return bytes / 512;
}

// udev takes its link away by itself; a node that libdevmapper made without udev nobody does.
void drop_node(const std::string& dm_name) {
    struct stat st {};
    const std::string node = node_of(dm_name);
    for (Patience patience; ::lstat(node.c_str(), &st) == 0 && S_ISLNK(st.st_mode);)
        if (!patience.more()) break;
    ::unlink(node.c_str());
}

}  // namespace

Result<void> wipe_key(const std::string& dm_name) {
    constexpr std::string_view kMessage = "key wipe";
    Call call(dm_name);
    auto& message = call.payload<dm_target_msg>();
    message.sector = 0;
    std::ranges::copy(kMessage, message.message);
    if (const int r = call.make(DM_TARGET_MSG); r != 0)
        return fail(errno_error(r, fmt::format("cannot wipe the key of device '{}'", dm_name)));
    return {};
}

bool is_suspended(const std::string& dm_name) {
    Call call(dm_name);
    return call.make(DM_DEV_STATUS) == 0 && (call.head().flags & DM_SUSPEND_FLAG) != 0;
}

Result<void> resume(const std::string& dm_name) {
    const int r = Call(dm_name).make(DM_DEV_SUSPEND);  // without its flag: resume
    if (r == 0) return {};
    return fail(errno_error(r, fmt::format("cannot let device '{}' go on", dm_name)));
}

Result<void> forget_loaded(const std::string& dm_name) {
    const int r = Call(dm_name).make(DM_TABLE_CLEAR);
    if (r == 0) return {};
    return fail(errno_error(r, fmt::format("cannot clear device '{}'", dm_name)));
}

Result<void> replace_by_error(const std::string& dm_name) {
    PMOS_ASSIGN(const std::uint64_t sectors, sectors_of(dm_name));
    Call load(dm_name);
    load.head().target_count = 1;
    auto& target = load.payload<dm_target_spec>();
    target.length = sectors;
    std::ranges::copy(std::string_view("error"), target.target_type);
    if (const int r = load.make(DM_TABLE_LOAD); r != 0)
        return fail(errno_error(r, fmt::format("cannot cut off device '{}'", dm_name)));
    return resume(dm_name);
}

bool is_error(const std::string& dm_name) {
    Call call(dm_name);
    call.head().flags = DM_STATUS_TABLE_FLAG | DM_NOFLUSH_FLAG;
    return call.make(DM_TABLE_STATUS) == 0 && call.head().target_count == 1 &&
           std::string_view(
               reinterpret_cast<dm_target_spec*>(call.bytes.data() + call.head().data_start)
                   ->target_type) == "error";
}

std::string integrity_name(const std::string& dm_name) { return dm_name + "_dif"; }

Result<void> remove_integrity(const std::string& dm_name) {
    const std::string name = integrity_name(dm_name);
    if (::access(node_of(name).c_str(), F_OK) != 0) return {};
    return remove(name);
}

Result<void> remove(const std::string& dm_name) {
    for (Patience patience;;) {
        const int r = Call(dm_name).make(DM_DEV_REMOVE);
        if (r == 0 || r == ENXIO) break;
        if (r != EBUSY || !patience.more())
            return fail(errno_error(r, fmt::format("cannot close device '{}'", dm_name),
                                    "something still uses it: see the mounts"));
    }
    drop_node(dm_name);
    return {};
}

}  // namespace pmos::volume::dm
