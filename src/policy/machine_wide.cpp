// policy: the table of what tells of the whole machine. Decides nothing.
//
// Sources: proc(5), sysinfo(2), and Linux 6.1: fs/proc, kernel/sysctl.c.
#include "policy/machine_wide.h"

#include <array>

namespace pmos::policy {
namespace {

constexpr auto kTable = std::to_array<MachineWide>({
    {"/proc", Cover::none, "how many processes there are, as links of the directory", true},
    {"/proc/acpi", Cover::mask},
    {"/proc/asound", Cover::mask},
    {"/proc/buddyinfo", Cover::mask, "free memory by order"},
    {"/proc/bus", Cover::mask},
    {"/proc/cgroups", Cover::mask, "control groups in all"},
    {"/proc/crypto", Cover::mask, "ciphers in use"},
    {"/proc/diskstats", Cover::mask, "input and output of every block device, by name"},
    {"/proc/fs", Cover::mask, "statistics of every mounted file system"},
    {"/proc/interrupts", Cover::mask, "interrupts by device"},
    {"/proc/irq", Cover::mask, "interrupts, one by one"},
    {"/proc/kallsyms", Cover::mask},
    {"/proc/kcore", Cover::mask},
    {"/proc/key-users", Cover::mask, "keys by user"},
    {"/proc/keys", Cover::mask},
    {"/proc/kmsg", Cover::mask},
    {"/proc/kpagecgroup", Cover::mask},
    {"/proc/kpagecount", Cover::mask},
    {"/proc/kpageflags", Cover::mask},
    {"/proc/latency_stats", Cover::mask},
    {"/proc/loadavg", Cover::none, "load, and how many processes there are"},
    {"/proc/locks", Cover::mask, "how many locks are held"},
    {"/proc/meminfo", Cover::none, "memory in use"},
    {"/proc/modules", Cover::mask, "modules that are loaded"},
    {"/proc/partitions", Cover::mask, "block devices by name"},
    {"/proc/pressure", Cover::mask, "who waits for processors, memory, disks"},
    {"/proc/sched_debug", Cover::mask},
    {"/proc/schedstat", Cover::mask, "scheduling by processor"},
    {"/proc/scsi", Cover::mask},
    {"/proc/self/net/protocols", Cover::none, "sockets' memory by protocol", true},
    {"/proc/self/net/sockstat", Cover::none, "TCP's sockets and memory in all", true},
    {"/proc/slabinfo", Cover::mask},
    {"/proc/softirqs", Cover::mask, "deferred interrupts"},
    {"/proc/stat", Cover::none, "time by processor, processes made"},
    {"/proc/swaps", Cover::mask, "swap in use"},
    {"/proc/sysrq-trigger", Cover::mask},
    {"/proc/timer_list", Cover::mask},
    {"/proc/timer_stats", Cover::mask},
    {"/proc/uptime", Cover::none, "idle time"},
    {"/proc/vmallocinfo", Cover::mask},
    {"/proc/vmstat", Cover::none, "memory's comings and goings"},
    {"/proc/zoneinfo", Cover::mask, "memory by zone"},
    {"sysinfo", Cover::none, "load and free memory"},
    {"/proc/sys/fs/aio-nr", Cover::mask, "asynchronous requests"},
    {"/proc/sys/fs/dentry-state", Cover::mask, "cached names"},
    {"/proc/sys/fs/file-nr", Cover::mask, "open files in all"},
    {"/proc/sys/fs/inode-nr", Cover::mask, "cached files in all"},
    {"/proc/sys/fs/inode-state", Cover::mask, "cached files in all"},
    {"/proc/sys/kernel/pty", Cover::mask, "terminals in all"},
});

}  // namespace

std::span<const MachineWide> machine_wide() { return kTable; }

}  // namespace pmos::policy
