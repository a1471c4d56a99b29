// volume: whether a mounted file system has its device flush what it was given. Never leaves a
// mount behind.
#include "runtime/volume/barriers.h"

#include <fmt/core.h>

#include "base/fd.h"
#include "runtime/sys/mount.h"

namespace pmos::volume {
namespace {

// One more mount of what is mounted already, attached nowhere.
Result<UniqueFd> mount_again(const std::string& dm_name) {
    const std::string device = "/dev/mapper/" + dm_name;
    const UniqueFd context(sys::sys_fsopen("ext4", FSOPEN_CLOEXEC));
    int r = context ? 0 : context.get();
    if (r == 0)
        r = sys::sys_fsconfig(context.get(), FSCONFIG_SET_STRING, "source", device.c_str(), 0);
    if (r == 0) r = sys::sys_fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
    if (r == 0) {
        UniqueFd mount(sys::sys_fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
        if (mount) return mount;
        r = mount.get();
    }
    return fail(errno_error(-r, fmt::format("cannot reach the file system on '{}'", dm_name)));
}

}  // namespace

Result<void> set_barriers(const std::string& dm_name, bool on) {
    PMOS_ASSIGN(const UniqueFd mount, mount_again(dm_name));
    const UniqueFd context(sys::sys_fspick(mount.get(), "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH));
    int r = context ? 0 : context.get();
    if (r == 0)
        r = sys::sys_fsconfig(context.get(), FSCONFIG_SET_STRING, "barrier", on ? "1" : "0", 0);
    if (r == 0) r = sys::sys_fsconfig(context.get(), FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0);
    if (r == 0) return {};
    return fail(errno_error(
        -r, fmt::format("cannot turn the flushes of '{}' {}", dm_name, on ? "on" : "off")));
}

}  // namespace pmos::volume
