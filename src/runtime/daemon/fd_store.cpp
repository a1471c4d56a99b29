// daemon: descriptors that the service manager keeps while pmosd is restarted (FDSTORE=1,
// sd_pid_notify_with_fds(3)). Keeps none itself.
#include "runtime/daemon/fd_store.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "policy/names.h"
#include "runtime/daemon/context.h"

namespace pmos::daemon {
namespace {

constexpr std::string_view kListener = "listener/", kEntered = "/entered-";

// The manager does not say what it keeps, nor that it has no room.
std::set<std::string>& names() {
    static std::set<std::string> names;
    return names;
}

}  // namespace

Result<> keep_descriptor(const std::string& name, BorrowedFd fd, HungUp then) {
    const bool entered = whose_listener(name) == Whose::entered;
    const auto of_entered = std::ranges::count(names(), Whose::entered, whose_listener);
    if (names().size() >= kMaxKept ||
        (entered && static_cast<std::size_t>(of_entered) >= kMaxKeptOfEntered))
        return fail(Code::no_space,
                    "too many listeners are kept already: what this program's filter asks gets "
                    "ENOSYS once pmosd is restarted");
    std::string state = "FDSTORE=1\nFDNAME=" + name;
    if (then == HungUp::stays) state += "\nFDPOLL=0";  // systemd 246
    const int number = fd.get();
    const int r = ::sd_pid_notify_with_fds(0, 0, state.c_str(), &number, 1);
    if (r < 0) return fail(errno_error(-r, "cannot have the service manager keep a descriptor"));
    if (r > 0) names().insert(name);
    return {};
}

void forget_descriptor(const std::string& name) {
    names().erase(name);
    static_cast<void>(::sd_notify(0, ("FDSTOREREMOVE=1\nFDNAME=" + name).c_str()));
}

std::vector<KeptDescriptor> take_kept_descriptors() {
    char** given = nullptr;
    const int count = ::sd_listen_fds_with_names(1, &given);
    std::vector<KeptDescriptor> kept;
    for (int i = 0; i < count; ++i) {
        kept.push_back({given[i], UniqueFd(SD_LISTEN_FDS_START + i)});
        names().insert(given[i]);
        std::free(given[i]);
    }
    std::free(given);
    return kept;
}

std::string listener_name(const std::string& mode, Whose whose) {
    static std::uint64_t last = 0;
    last = std::max(last + 1, boot_time_usec());  // nor one that an earlier pmosd gave
    return fmt::format("{}{}{}{}", kListener, mode, whose == Whose::entered ? kEntered : "/", last);
}

std::string mode_of_listener(const std::string& name) {
    if (!name.starts_with(kListener)) return "";
    const auto rest = name.substr(kListener.size());
    const auto mode = rest.substr(0, rest.find('/'));
    return policy::is_mode_name(mode) ? mode : "";
}

Whose whose_listener(const std::string& name) {
    const auto last = std::string_view(name).substr(std::min(name.size(), name.rfind('/')));
    return last.starts_with(kEntered) ? Whose::entered : Whose::mode;
}

}  // namespace pmos::daemon
