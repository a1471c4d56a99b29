// cli: the architecture of the machine that pmosctl runs on. One home; guesses none.
#include "cli/this_arch.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <cerrno>

#include "policy/diagnostic.h"

namespace pmos::cli {

Result<const policy::Arch*> this_arch() {
    utsname machine{};
    if (::uname(&machine) != 0) return fail(errno_error(errno, "cannot tell the architecture"));
    if (const auto* arch = policy::find_arch(machine.machine)) return arch;
    return fail(Code::unsupported,
                fmt::format("no table of system calls for '{}'", policy::shown(machine.machine)));
}

}  // namespace pmos::cli
