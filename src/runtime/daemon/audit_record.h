// daemon: what one audit record of the kernel says of a denial. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pmos::daemon {

struct AuditRecord {
    enum class Layer : std::uint8_t { seccomp, apparmor };
    Layer layer{};
    std::uint32_t uid = 0;  // as the initial user namespace sees it: it names the mode
    int pid = 0;
    std::string program;  // comm: the mode chose it, never to be trusted
    // seccomp: AUDIT_ARCH_*, number of the call, SECCOMP_RET_*; signal is 31 when it killed
    std::uint32_t arch = 0, syscall = 0, action = 0, signal = 0;
    // apparmor: "open", "/proc/x", "w"
    std::string operation, object, denied;
};

// The text of an AUDIT_SECCOMP or AUDIT_AVC message (linux/audit.h; kernel/auditsc.c and
// security/apparmor/audit.c write them). Empty for every other and for what does not parse.
std::optional<AuditRecord> parse_audit_record(std::uint16_t type, std::string_view text);

// Whose it is, of any record that says so.
std::optional<std::uint32_t> user_of_record(std::string_view text);

}  // namespace pmos::daemon
