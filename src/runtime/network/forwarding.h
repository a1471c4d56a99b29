// network: whether the phone hands packets on, which it does for modes with a wire. What pmos has
// switched on is told by the table that stands guard (rules.h), and by a file, for that table may
// be swept away while nobody looks.
#pragma once

#include <string>

#include "base/result.h"
#include "runtime/network/nft.h"

namespace pmos::network {

// Of the kernel: it can be started without.
bool has_ipv6();
// Also where a phone gives no new link IPv6.
Result<> allow_ipv6(const std::string& link);

// Both families. What forwarded before is left alone. In one transaction with these rules. marks:
// the directory of those files, of this boot; "": there are none.
Result<> forward(const Nft& phone, const std::string& marks, Table rules);
// What pmos has switched on, no more.
Result<> stop_forwarding(const Nft& phone, const std::string& marks);
// What stands guard, where it is to.
Table guard(const std::string& marks, bool v6);

}  // namespace pmos::network
