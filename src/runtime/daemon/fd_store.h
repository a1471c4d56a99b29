// daemon: descriptors that the service manager keeps while pmosd is restarted (FDSTORE=1,
// sd_pid_notify_with_fds(3)). Keeps none itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::daemon {

// Under systemd only; elsewhere nothing is kept, and what a descriptor was for ends with pmosd.
// The manager lets go of one by itself when the other end of it has gone (EPOLLHUP), or not: a BPF
// map always says EPOLLERR.
// no_space: the manager keeps kMaxKept, and of the programs that were entered only so many that the
// modes' own have room.
inline constexpr std::size_t kMaxKept = 128;  // FileDescriptorStoreMax= of pmosd.service
inline constexpr std::size_t kMaxKeptOfEntered = 96;
enum class HungUp : std::uint8_t { is_let_go, stays };
Result<> keep_descriptor(const std::string& name, BorrowedFd fd, HungUp then = HungUp::is_let_go);
void forget_descriptor(const std::string& name);

// What was kept by the pmosd before. Once, at the start: before anything else opens a descriptor.
struct KeptDescriptor {
    std::string name;
    UniqueFd fd;
};
std::vector<KeptDescriptor> take_kept_descriptors();

// Of the filter that a mode asks by, or a program that was entered into it.
enum class Whose : std::uint8_t { mode, entered };
std::string listener_name(const std::string& mode, Whose whose);
// The mode of such a name, and whose it is; "" for any other.
std::string mode_of_listener(const std::string& name);
Whose whose_listener(const std::string& name);

}  // namespace pmos::daemon
