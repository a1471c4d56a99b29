// daemon: what the kernel refused to a mode, as events that name the profile's line. Refuses
// nothing itself.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "policy/explain.h"
#include "runtime/daemon/audit_record.h"
#include "runtime/daemon/context.h"

namespace pmos::daemon {

// Whose denial it is.
struct Denied {
    std::string mode;
    const policy::Profile* profile = nullptr;  // null: there is none any more
    const policy::Arch* arch = nullptr;
};

class Denials {
  public:
    using WhoIs = std::function<std::optional<Denied>(std::uint32_t uid)>;

    // Listens to the kernel's audit records (netlink(7), AUDIT_NLGRP_READLOG; CAP_AUDIT_READ).
    static Result<std::unique_ptr<Denials>> make(const Context& ctx, WhoIs who_is);
    Denials(const Denials&) = delete;
    Denials& operator=(const Denials&) = delete;

  private:
    // A program that is refused the same thing in a loop makes two events in ten seconds.
    struct Repeated {
        Details details;
        std::uint64_t more = 0;
        EventSource timer;
    };

    Denials(const Context& ctx, WhoIs who_is) : ctx_(ctx), who_is_(std::move(who_is)) {}
    void read();
    void take(const AuditRecord& record);
    void tell(const std::string& mode, Details details);
    void wait(const std::string& key, const std::string& mode);

    const Context& ctx_;
    WhoIs who_is_;
    UniqueFd socket_;
    EventSource readable_;
    std::map<std::string, Repeated> repeated_;  // by mode, layer, what
};

}  // namespace pmos::daemon
