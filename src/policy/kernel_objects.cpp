// policy: the objects of the kernel that no namespace covers. Tables and the filter's answer.
//
// Sources: namespaces(7), keyrings(7), vsock(7), perf_event_open(2), syslog(2), proc(5), and Linux
// 6.1: net/qrtr, net/bluetooth and net/nfc (in the
// initial network namespace only), net/vmw_vsock, lib/kobject_uevent.c (events go to every network
// namespace that the initial user namespace owns, as a mode's is), security/keys (a key's
// permissions for others hold across user namespaces).
#include "policy/kernel_objects.h"

#include <linux/capability.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>

#include "policy/reach.h"

namespace pmos::policy {
namespace {

constexpr std::uint32_t kNfc = 39, kQipcrtr = 42;  // which glibc's headers may lack

constexpr std::string_view kInitialNetwork = "the initial network namespace";

constexpr auto is = &PartialWord::is;

// io_uring makes sockets of its own (IORING_OP_SOCKET, Linux 5.19), which no filter sees.
constexpr Gate kUring{"io_uring_setup"};

constexpr std::array kKeyring{Gate{"keyctl"}, Gate{"add_key"}, Gate{"request_key"}};
constexpr std::array kLog{Gate{"syslog"}};
constexpr std::array kPerf{Gate{"perf_event_open"}};
constexpr std::array kVsock{kUring, Gate{"socket", {is(AF_VSOCK)}}};
constexpr std::array kQrtr{kUring, Gate{"socket", {is(kQipcrtr)}}};
constexpr std::array kBluetooth{kUring, Gate{"socket", {is(AF_BLUETOOTH)}}};
constexpr std::array kNearField{kUring, Gate{"socket", {is(kNfc)}}};
constexpr std::array kUevent{kUring,
                             Gate{"socket", {is(AF_NETLINK), {}, is(NETLINK_KOBJECT_UEVENT)}}};
constexpr std::array kAio{Gate{"io_setup"}};
constexpr std::array kClock{Gate{"clock_settime"}, Gate{"settimeofday"}};
constexpr std::array kModules{Gate{"init_module"}, Gate{"finit_module"}, Gate{"delete_module"}};
constexpr std::array kSwap{Gate{"swapon"}, Gate{"swapoff"}};
constexpr std::array kKexec{Gate{"kexec_load"}, Gate{"kexec_file_load"}};
constexpr std::array kHandles{Gate{"open_by_handle_at"}};

constexpr std::array kObjects{
    KernelObject{"keyring", "keys whose permissions admit others, by serial number", kKeyring,
                 right_read | right_write},
    KernelObject{"kernel-log", "the log, which names programs that fault", kLog, right_read, true},
    KernelObject{"cpu-events", "what the processors do, for whomever", kPerf, right_read, true},
    KernelObject{"aio", "asynchronous requests, of which there is one number for all", kAio,
                 right_signal},
    KernelObject{"vsock", "sockets by context id, which no namespace covers", kVsock,
                 right_connect},
    KernelObject{"kernel-events", "devices and volumes that come and go", kUevent, right_read,
                 true},
    KernelObject{"qipcrtr", "the router to the modem's processor", kQrtr, right_connect, false,
                 kInitialNetwork},
    KernelObject{"bluetooth", "the radio's sockets", kBluetooth, right_connect, false,
                 kInitialNetwork},
    KernelObject{"nfc", "the near field's sockets", kNearField, right_connect, false,
                 kInitialNetwork},
    KernelObject{"clock", "the time of day", kClock, right_write, false,
                 "CAP_SYS_TIME in the initial user namespace"},
    KernelObject{"modules", "the kernel's code", kModules, right_write, false,
                 "CAP_SYS_MODULE in the initial user namespace"},
    KernelObject{"swap", "memory on disk", kSwap, right_write, false,
                 "CAP_SYS_ADMIN in the initial user namespace"},
    KernelObject{"kexec", "the next kernel", kKexec, right_write, false,
                 "CAP_SYS_BOOT in the initial user namespace"},
    KernelObject{"file-handles", "files by their handle, past every mount", kHandles,
                 right_read | right_write, false,
                 "CAP_DAC_READ_SEARCH in the initial user namespace"},
};

}  // namespace

std::span<const KernelObject> kernel_objects() { return kObjects; }

bool Filter::admits(const Gate& gate) const {
    const auto nr = syscall_number(arch, gate.syscall);
    if (!nr) return false;
    PartialData data;
    data.set(data_nr, *nr);
    data.set(data_arch, arch.audit);
    for (std::uint32_t i = 0; i < gate.args.size(); ++i)
        data.set(data_args + 8 * i, gate.args[i].value, gate.args[i].known);
    return may_allow(program, data);
}

const Gate* open_gate(const KernelObject& object, const Filter& filter) {
    const auto gate =
        std::ranges::find_if(object.gates, [&](const Gate& g) { return filter.admits(g); });
    return gate == object.gates.end() ? nullptr : &*gate;
}

MountWalls mount_walls(const CapabilitySets& capabilities, const Filter& filter) {
    // Clones of a tree without its submounts, and file systems made anew, show what masks hide.
    constexpr std::array kMounting{Gate{"mount"},      Gate{"mount_setattr"}, Gate{"umount2"},
                                   Gate{"move_mount"}, Gate{"open_tree"},     Gate{"fsmount"}};
    constexpr std::array kNewUser{Gate{"unshare", {PartialWord::with(CLONE_NEWUSER)}},
                                  Gate{"clone", {PartialWord::with(CLONE_NEWUSER)}},
                                  Gate{"clone3"}};
    const auto any = [&](const auto& gates) {
        return std::ranges::any_of(gates, [&](const Gate& g) { return filter.admits(g); });
    };
    if (!any(kMounting)) return {};
    const bool admin = (capabilities.bounding >> CAP_SYS_ADMIN & 1U) != 0;
    return {!admin, !admin && !any(kNewUser)};
}

}  // namespace pmos::policy
