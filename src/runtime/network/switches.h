// network: settings of the kernel's that are one character (/proc/sys/net). Which namespace's they
// are is that of who opens them.
#pragma once

#include <string>

#include "base/result.h"

namespace pmos::network {

Result<char> read_switch(const std::string& path);
Result<> write_switch(const std::string& path, char value);

}  // namespace pmos::network
