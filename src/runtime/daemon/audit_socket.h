// daemon: where the kernel's audit records come from (netlink(7), NETLINK_AUDIT). Judges none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::daemon {

// Listens beside whoever collects them (AUDIT_NLGRP_READLOG, Linux 3.16; CAP_AUDIT_READ). The
// kernel prints them in its log as well where nobody does.
Result<UniqueFd> listen_to_audit();

// Collects them, as auditd(8) does (AUDIT_SET; CAP_AUDIT_CONTROL): none is in the kernel's log as
// long as the descriptor is open. Code::busy: somebody else collects.
Result<UniqueFd> collect_audit();

// Names of the other processes that listen: whatever a mode is refused, they hear
// ("systemd-journal").
std::vector<std::string> other_audit_listeners();

// As the kernel would have printed it. What cannot be written is lost, as what the kernel's own
// rate limit drops.
void print_audit_record(std::uint16_t type, std::string_view text);

}  // namespace pmos::daemon
