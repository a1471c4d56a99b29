// network: settings of the kernel's that are one character.
#include "runtime/network/switches.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"

namespace pmos::network {

Result<char> read_switch(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char value = 0;
    if (!fd || ::read(fd.get(), &value, 1) != 1)
        return fail(errno_error(errno, "cannot read '" + path + "'"));
    return value;
}

Result<> write_switch(const std::string& path, char value) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd || ::write(fd.get(), &value, 1) != 1)
        return fail(errno_error(errno, "cannot write '" + path + "'"));
    return {};
}

}  // namespace pmos::network
