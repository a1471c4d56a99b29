// device: bpf(2) itself. Inside this room only.
#pragma once

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace pmos::device {

inline int sys_bpf(bpf_cmd command, bpf_attr& attr) noexcept {
    const long r = ::syscall(SYS_bpf, command, &attr, sizeof attr);
    return r < 0 ? -errno : static_cast<int>(r);
}

}  // namespace pmos::device
