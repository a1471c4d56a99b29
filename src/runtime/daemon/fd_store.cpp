// daemon: descriptors that the service manager keeps while pmosd is restarted (FDSTORE=1,
// sd_pid_notify_with_fds(3)). Keeps none itself.
#include "runtime/daemon/fd_store.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <cstdlib>

#include "policy/names.h"
#include "runtime/daemon/context.h"

namespace pmos::daemon {
namespace {

constexpr std::string_view kListener = "listener/";

}  // namespace

void keep_descriptor(const std::string& name, BorrowedFd fd) {
    const std::string state = "FDSTORE=1\nFDNAME=" + name;
    const int number = fd.get();
    static_cast<void>(::sd_pid_notify_with_fds(0, 0, state.c_str(), &number, 1));
}

void forget_descriptor(const std::string& name) {
    static_cast<void>(::sd_notify(0, ("FDSTOREREMOVE=1\nFDNAME=" + name).c_str()));
}

std::vector<KeptDescriptor> take_kept_descriptors() {
    char** names = nullptr;
    const int count = ::sd_listen_fds_with_names(1, &names);
    std::vector<KeptDescriptor> kept;
    for (int i = 0; i < count; ++i) {
        kept.push_back({names[i], UniqueFd(SD_LISTEN_FDS_START + i)});
        std::free(names[i]);
    }
    std::free(names);
    return kept;
}

std::string listener_name(const std::string& mode) {
    static std::uint64_t last = 0;
    last = std::max(last + 1, boot_time_usec());  // nor one that an earlier pmosd gave
    return fmt::format("{}{}/{}", kListener, mode, last);
}

std::string mode_of_listener(const std::string& name) {
    if (!name.starts_with(kListener)) return "";
    const auto rest = name.substr(kListener.size());
    const auto mode = rest.substr(0, rest.find('/'));
    return policy::is_mode_name(mode) ? mode : "";
}

}  // namespace pmos::daemon
