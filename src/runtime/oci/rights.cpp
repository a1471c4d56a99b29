// oci: what who asks may do on this machine, as far as one look tells.
#include "runtime/oci/rights.h"

#include <fmt/format.h>
#include <unistd.h>

#include "runtime/host/small_file.h"

namespace pmos::oci {

bool is_machines_root() {
    if (::geteuid() != 0) return false;
    const auto map = host::read_small_file("/proc/self/uid_map");
    const auto words = map ? host::split_words(*map) : std::vector<std::string>();
    return words.size() == 3 && words[2] == "4294967295";
}

bool may_set_groups(int pid) {
    const auto file = pid == 0 ? "/proc/self/setgroups" : fmt::format("/proc/{}/setgroups", pid);
    return ::geteuid() == 0 && host::read_small_file(file) != "deny\n";
}

Result<> check_groups(const policy::Process& process, bool may) {
    if (process.additional_gids.empty() || may) return {};
    return fail(Code::unsupported, "additional groups are refused here",
                "the kernel lets no process of this user namespace have them (setgroups)",
                "leave process/user/additionalGids out");
}

}  // namespace pmos::oci
