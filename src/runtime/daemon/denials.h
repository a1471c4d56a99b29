// daemon: what the kernel refused to a mode, as events that name the profile's line. Refuses
// nothing itself.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "policy/explain.h"
#include "runtime/daemon/audit_record.h"
#include "runtime/daemon/context.h"
#include "runtime/daemon/limit_watch.h"
#include "runtime/daemon/network_link.h"
#include "runtime/daemon/recording.h"
#include "runtime/device/denial_ring.h"
#include "runtime/host/doctor.h"
#include "runtime/launch/questions.h"
#include "runtime/refusals/probe.h"

namespace pmos::daemon {

// Whose denial it is.
struct Denied {
    std::string mode;
    const policy::Profile* profile = nullptr;  // null: there is none any more
    const policy::HostFacts* phone = nullptr;
    Recording* recording = nullptr;  // null: it is not recorded
    bool in_private = false;         // has a private part for what it is refused
};

class Denials {
  public:
    using WhoIs = std::function<std::optional<Denied>(std::uint32_t uid)>;
    using AboutMode = std::function<Denied(const Mode& mode)>;
    // Whether the mode keeps that in its own volume.
    using KeepPrivate = std::function<bool(const std::string& mode, const Details& details)>;

    // Listens to the kernel's audit records (netlink(7), AUDIT_NLGRP_READLOG; CAP_AUDIT_READ) and
    // to the device filters. What this kernel does not offer is left out: sees_*() tell.
    Denials(const Context& ctx, WhoIs who_is, AboutMode about, KeepPrivate keep);
    bool sees_audit() const noexcept { return static_cast<bool>(audit_readable_); }
    // For modes whose denials are in no log: from now on the kernel prints none. Tried again with
    // each call where somebody else collects.
    void collect_audit();
    // Where such denials are kept all the same.
    void add_findings(std::vector<host::Finding>& findings) const;
    bool sees_devices() const noexcept { return ring_.has_value(); }
    // Through the verifier, with a report where there is a ring to report to.
    Result<UniqueFd> load_filter(std::span<const std::uint8_t> instructions) const;
    // What the rules of its network have refused to a mode, or to who called it.
    void take(const Mode& mode, const NetworkRefusal& refusal);
    // What a filter asked and is answered: told where that is no, recorded either way.
    void take(const Mode& mode, const launch::Question& question, std::uint32_t verdict);
    // Limits of its cgroup that a mode meets, and what the plan wants told beside (image::Tell):
    // from now until the watch is dropped.
    std::shared_ptr<void> watch(const Mode& mode, const host::Cgroup& cgroup,
                                const policy::LaunchPlan& plan);
    // Finds out, once, whether this kernel lets capabilities and Landlock be watched.
    void add_facts(policy::HostFacts& facts);
    // Records that came faster than they could be read or told.
    std::uint64_t lost() const noexcept { return lost_; }
    Denials(const Denials&) = delete;
    Denials& operator=(const Denials&) = delete;

  private:
    // A program that is refused the same thing in a loop makes two events in ten seconds, and is
    // explained once.
    struct Repeated {
        Details details;  // empty: nothing to tell
        std::uint64_t more = 0;
        EventSource timer;
    };
    using Explain = std::function<Details()>;

    void read_from(UniqueFd socket);
    void read_audit();
    void print_what_is_public(std::uint16_t type, std::string_view text);
    void take(const AuditRecord& record);
    void take(const device::DeviceDenial& denial);
    void take(const Mode& mode, const LimitMet& met);
    void take(const refusals::Refusal& refusal);
    void take_refusals();
    void tell_lost_refusals();
    void tell_lost_of(std::uint64_t cgroup, const Mode& mode);
    std::shared_ptr<void> watch_refusals(const Mode& mode, const host::Cgroup& cgroup,
                                         std::uint32_t what);
    static void remember(Recording& recording, const std::string& key, const Explain& explain,
                         std::uint64_t times);
    void tell(const Denied& denied, const std::string& key, const Explain& explain,
              std::uint64_t times = 1);
    void tell(const std::string& kind, const std::string& mode, std::string key,
              const Explain& explain, std::uint64_t times = 1);
    void send(const std::string& kind, const std::string& mode, const Details& details);
    void wait(const std::string& kind, const std::string& mode, const std::string& key);

    const Context& ctx_;
    WhoIs who_is_;
    AboutMode about_;
    KeepPrivate keep_;
    std::uint64_t lost_ = 0;
    UniqueFd socket_;
    EventSource audit_readable_;
    bool collects_ = false;
    std::string collector_;  // why it does not, where it should
    std::optional<device::DenialRing> ring_;
    EventSource ring_readable_;
    std::optional<Result<refusals::Probe>> probe_;  // none: nobody has asked yet
    EventSource probe_readable_, look_for_lost_;
    bool refusals_came_ = false;                    // since look_for_lost_ was set
    std::map<std::uint64_t, const Mode*> watched_;  // by the id of its cgroup
    std::map<std::string, std::map<std::string, Repeated>> repeated_;  // by mode and key
};

}  // namespace pmos::daemon
