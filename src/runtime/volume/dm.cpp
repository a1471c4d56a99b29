// volume: what libcryptsetup cannot do with a mapping that is suspended, by the device mapper's own
// calls. Never sees a key.
#include "runtime/volume/dm.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "base/fd.h"
#include "runtime/sys/device_mapper.h"
#include "runtime/volume/patience.h"

namespace pmos::volume::dm {
namespace {

// What such a call gives back, or why there was none: 0 or -errno.
template <class Call>
int ask(Call call) {
    const int control = sys::sys_open_device_mapper();
    if (control < 0) return control;
    const UniqueFd open(control);
    return call(control);
}

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
    const int r =
        ask([&](int control) { return sys::sys_dm_message(control, dm_name, "key wipe"); });
    if (r == 0) return {};
    return fail(errno_error(-r, fmt::format("cannot wipe the key of device '{}'", dm_name)));
}

bool is_suspended(const std::string& dm_name) {
    sys::DmRequest status;
    const int r = ask([&](int control) { return sys::sys_dm_status(control, dm_name, status); });
    return r == 0 && (status.head.flags & DM_SUSPEND_FLAG) != 0;
}

Result<void> resume(const std::string& dm_name) {
    const int r = ask([&](int control) { return sys::sys_dm_resume(control, dm_name); });
    if (r == 0) return {};
    return fail(errno_error(-r, fmt::format("cannot let device '{}' go on", dm_name)));
}

Result<void> forget_loaded(const std::string& dm_name) {
    const int r = ask([&](int control) { return sys::sys_dm_clear(control, dm_name); });
    if (r == 0) return {};
    return fail(errno_error(-r, fmt::format("cannot clear device '{}'", dm_name)));
}

Result<void> replace_by_error(const std::string& dm_name) {
    PMOS_ASSIGN(const std::uint64_t sectors, sectors_of(dm_name));
    const sys::DmTarget error{"error", sectors, ""};
    const int r = ask([&](int control) { return sys::sys_dm_load(control, dm_name, error, 0); });
    if (r != 0) return fail(errno_error(-r, fmt::format("cannot cut off device '{}'", dm_name)));
    return resume(dm_name);
}

bool is_error(const std::string& dm_name) {
    sys::DmRequest table;
    const int r = ask([&](int control) { return sys::sys_dm_table(control, dm_name, table); });
    return r == 0 && table.head.target_count == 1 &&
           std::string_view(table.target.target_type) == "error";
}

std::string integrity_name(const std::string& dm_name) { return dm_name + "_dif"; }

Result<void> remove_integrity(const std::string& dm_name) {
    const std::string name = integrity_name(dm_name);
    if (::access(node_of(name).c_str(), F_OK) != 0) return {};
    return remove(name);
}

Result<void> remove_half_made(const std::string& dm_name) {
    for (const auto& name : {dm_name, integrity_name(dm_name)}) {
        sys::DmRequest status;
        const int r = ask([&](int control) { return sys::sys_dm_status(control, name, status); });
        // libcryptsetup's own, or another's of that name, which is not ours to remove.
        const bool is_volume = std::string_view(status.head.uuid).starts_with("CRYPT-");
        if (r == 0 && is_volume && (status.head.flags & DM_ACTIVE_PRESENT_FLAG) == 0)
            PMOS_TRY(remove(name));
    }
    return {};
}

Result<void> remove(const std::string& dm_name) {
    for (Patience patience;;) {
        const int r = ask([&](int control) { return sys::sys_dm_remove(control, dm_name); });
        if (r == 0 || r == -ENXIO) break;
        if (r != -EBUSY || !patience.more())
            return fail(errno_error(-r, fmt::format("cannot close device '{}'", dm_name),
                                    "something still uses it: see the mounts"));
    }
    drop_node(dm_name);
    return {};
}

}  // namespace pmos::volume::dm
