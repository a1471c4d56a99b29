// network: what the kernel knows of the connections of a namespace (nf_conntrack). Of the one that
// the process is in.
#pragma once

#include "runtime/network/netlink.h"
#include "runtime/network/traffic.h"

namespace pmos::network {

// From now on the bytes of each new connection are counted. The rules are there by then: where
// nothing looks at connections the kernel has no switch for it.
Result<> count_bytes();
// All that it knows of: those that stand, and for a while those that have ended.
Result<> add_connections(Traffic& traffic);

}  // namespace pmos::network
