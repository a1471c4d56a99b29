// panel: the kernel's own console, which hears every key beside the panel.
#include "runtime/panel/console.h"

#include <fcntl.h>
#include <linux/kd.h>
#include <sys/capability.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "base/fd.h"

namespace pmos::panel {
namespace {

Result<> give_up_capabilities() {
    const cap_t none = cap_init();
    const bool done = none != nullptr && cap_set_proc(none) == 0;
    const int error = errno;
    cap_free(none);
    if (!done) return fail(errno_error(error, "cannot give up capabilities"));
    return {};
}

}  // namespace

// Else what is typed for a mode, a PIN too, is typed at whatever reads that console, and
// Ctrl+Alt+Delete starts the phone anew (ioctl_console(2); drivers/tty/vt/keyboard.c).
Result<> silence_console() {
    const UniqueFd console(::open("/dev/tty0", O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!console && errno != ENOENT && errno != ENXIO && errno != ENODEV)
        return fail(errno_error(errno, "cannot open the console"));
    if (console && (::ioctl(console.get(), KDSKBMODE, K_OFF) != 0 ||
                    ::ioctl(console.get(), KDSETMODE, KD_GRAPHICS) != 0))
        return fail(errno_error(errno, "cannot keep keys from the console"));
    return give_up_capabilities();
}

}  // namespace pmos::panel
