// daemon: what the kernel refused to a mode, as events that name the profile's line. Refuses
// nothing itself.
#include "runtime/daemon/denials.h"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "runtime/daemon/attempt.h"
#include "runtime/daemon/audit_socket.h"
#include "runtime/daemon/mode.h"
#include "runtime/device/filter.h"
#include "runtime/host/small_file.h"

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

constexpr auto kQuiet = 10s;
constexpr std::size_t kMaxRepeated = 256;  // of one mode
constexpr int kAtOnce = 64;                // records; then whatever else waits has its turn

// glibc asks for clone3 at every thread and falls back to clone: that refusal means nothing.
bool is_expected(const policy::Explanation& why) {
    return why.rule == "seccomp-guard" && why.what == "clone3";
}

const char* verdict(std::uint32_t action) {
    switch (action & SECCOMP_RET_ACTION_FULL) {
        case SECCOMP_RET_ERRNO:
            return "refused";
        case SECCOMP_RET_ALLOW:
        case SECCOMP_RET_LOG:
            return "allowed";
        default:
            return "killed";
    }
}

const policy::Arch& arch_of(const Denied& denied) {
    return *policy::find_arch(denied.phone->arch);  // it has a plan: known
}

policy::Explanation explain(const AuditRecord& record, const Denied& denied) {
    if (record.layer == AuditRecord::Layer::apparmor)
        return {.rule = "apparmor",
                .what = record.operation + " " + record.object,
                .why = fmt::format("the AppArmor profile denies '{}'", record.denied),
                .at = denied.profile->where("lsm/apparmor")};
    const policy::Arch& arch = arch_of(denied);
    if (record.arch != arch.audit)
        return policy::explain_foreign_syscall(*denied.profile, record.arch, record.syscall);
    return policy::explain_refused_syscall(*denied.profile, arch, record.syscall);
}

// A recording lets through what the list lacks: there it is the arguments that were refused.
policy::Explanation explain_answer(const policy::Profile& profile, const policy::Arch& arch,
                                   const policy::SyscallData& call) {
    const auto why = policy::explain_refused_syscall(profile, arch, call);
    if (why.value.empty() || policy::tested_arguments(profile, arch, call.nr) == 0) return why;
    policy::Profile widened = profile;
    widened.seccomp_allow.push_back(why.value);
    auto guarded = policy::explain_refused_syscall(widened, arch, call);
    return guarded.rule == "seccomp-changed" ? why : guarded;
}

// Untrusted, as all that a mode says of itself; "" where it is gone already.
std::string program_of(int pid) {
    auto name = host::read_small_file(fmt::format("/proc/{}/comm", pid)).value_or("");
    if (name.ends_with('\n')) name.pop_back();
    return name;
}

std::string name_of(const AuditRecord& r) {
    if (r.layer == AuditRecord::Layer::apparmor) return r.operation + " " + r.object;
    return fmt::format("system call {} of architecture {:#x}", r.syscall, r.arch);
}

}  // namespace

Denials::Denials(const Context& ctx, WhoIs who_is, AboutMode about, KeepPrivate keep)
    : ctx_(ctx), who_is_(std::move(who_is)), about_(std::move(about)), keep_(std::move(keep)) {
    if (auto socket = listen_to_audit()) read_from(std::move(*socket));
    if (auto ring = device::DenialRing::make()) {
        ring_.emplace(std::move(*ring));
        ring_readable_ = ctx.loop.on_io(ring_->fd(), EPOLLIN, [this](std::uint32_t) {
            for (const auto& denial : ring_->take()) take(denial);
        });
    }
}

void Denials::read_from(UniqueFd socket) {
    audit_readable_.reset();
    socket_ = std::move(socket);
    audit_readable_ =
        ctx_.loop.on_io(socket_.borrow(), EPOLLIN, [this](std::uint32_t) { read_audit(); });
}

void Denials::collect_audit() {
    if (collects_) return;
    auto socket = daemon::collect_audit();
    if (!socket) {
        collector_ = socket.error().message();
        return;
    }
    collector_.clear();
    collects_ = true;
    read_from(std::move(*socket));
}

void Denials::add_findings(std::vector<host::Finding>& findings) const {
    if (!collects_ && collector_.empty()) return;  // no mode has a private part
    const auto before = findings.size();
    if (!collects_)
        findings.push_back({"warning", "private denials",
                            "the kernel's audit records go to another program, also those of modes "
                            "that keep them in their own volume: " +
                                collector_,
                            "let no auditd run on the phone"});
    for (const auto& name : other_audit_listeners())
        findings.push_back(
            {"warning", "private denials",
             name + " hears the kernel's audit records, also those of modes that "
                    "keep them in their own volume",
             "the journal: systemctl mask systemd-journald-audit.socket, and reboot"});
    if (findings.size() == before)
        findings.push_back({"ok", "private denials", "in the volumes of their modes alone", ""});
}

Result<UniqueFd> Denials::load_filter(std::span<const std::uint8_t> instructions) const {
    if (!ring_) return device::load_filter(instructions);
    PMOS_ASSIGN(const auto reporting, ring_->report(instructions));
    return device::load_filter(reporting);
}

void Denials::read_audit() {
    alignas(nlmsghdr) std::array<char, 8970> buffer;  // MAX_AUDIT_MESSAGE_LENGTH
    for (int i = 0; i < kAtOnce; ++i) {
        sockaddr_nl from{};
        socklen_t size = sizeof from;
        const ssize_t n = ::recvfrom(socket_.get(), buffer.data(), buffer.size(), 0,
                                     reinterpret_cast<sockaddr*>(&from), &size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == ENOBUFS) {
            ++lost_;
            tell("denials-lost", "", "", [] {
                return Details{{"why", "more came than could be read"}};
            });
            continue;
        }
        if (n < 0) return;
        nlmsghdr header{};
        if (from.nl_pid != 0 || static_cast<std::size_t>(n) < sizeof header) continue;
        std::memcpy(&header, buffer.data(), sizeof header);
        const std::string_view text(buffer.data() + NLMSG_HDRLEN,
                                    static_cast<std::size_t>(n) - NLMSG_HDRLEN);
        if (const auto record = parse_audit_record(header.nlmsg_type, text)) take(*record);
        if (collects_) print_what_is_public(header.nlmsg_type, text);
    }
}

// A record that names nobody may be the rest of one that does (PATH, PROCTITLE).
void Denials::print_what_is_public(std::uint16_t type, std::string_view text) {
    const auto uid = user_of_record(text);
    if (!uid) return;
    const auto denied = who_is_(*uid);
    if (!denied || !denied->in_private) print_audit_record(type, text);
}

void Denials::take(const AuditRecord& record) {
    const auto denied = who_is_(record.uid);
    if (!denied) return;
    const bool seccomp = record.layer == AuditRecord::Layer::seccomp;
    // A question: who answers it tells, and knows how.
    if (seccomp && (record.action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF) return;
    const Attempt attempt{seccomp ? "seccomp" : "apparmor", name_of(record),
                          seccomp ? verdict(record.action) : "refused", record.program, record.pid};
    tell(*denied, attempt.what + attempt.verdict, [&]() -> Details {
        policy::Explanation why;
        if (denied->profile != nullptr) why = explain(record, *denied);
        if (is_expected(why)) return {};
        return details_of(attempt, why);
    });
}

void Denials::take(const device::DeviceDenial& denial) {
    const auto denied = who_is_(denial.uid);
    if (!denied) return;
    const Attempt attempt{"device",
                          fmt::format("{} device {}:{}", denial.block ? "block" : "character",
                                      denial.major, denial.minor),
                          "refused", denial.program, denial.pid};
    tell(*denied, attempt.what, [&] {
        policy::Explanation why;
        if (denied->profile != nullptr)
            why = policy::explain_refused_device(*denied->profile, denied->phone->devices,
                                                 denial.block, denial.major, denial.minor);
        return details_of(attempt, why);
    });
}

void Denials::take(const Mode& mode, const launch::Question& question, std::uint32_t verdict) {
    const Denied denied = about_(mode);
    const policy::Arch& arch = arch_of(denied);
    const auto& call = question.call;
    const bool allowed = (verdict & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW;
    std::string key = fmt::format("asked {} {}", call.nr, daemon::verdict(verdict));
    const auto explain = [&] {
        policy::Explanation why;
        if (denied.profile != nullptr)
            why = allowed ? policy::explain_refused_syscall(*denied.profile, arch, call)
                          : explain_answer(*denied.profile, arch, call);
        const std::string program = program_of(question.pid);
        return details_of({"seccomp", fmt::format("system call {}", call.nr),
                           daemon::verdict(verdict), program, question.pid},
                          why);
    };
    if (allowed) {
        if (denied.recording != nullptr) remember(*denied.recording, key, explain, 1);
        return;
    }
    if (denied.profile != nullptr) {
        const auto tested = policy::tested_arguments(*denied.profile, arch, call.nr);
        for (unsigned i = 0; i < 6; ++i)
            if ((tested >> i & 1U) != 0) key += fmt::format(" {:x}", call.args[i]);
    }
    tell(denied, key, explain);
}

std::shared_ptr<void> Denials::watch(const Mode& mode, const host::Cgroup& cgroup,
                                     const policy::LaunchPlan& plan) {
    struct Watch {
        LimitWatch limits;
        std::shared_ptr<void> refusals;
    };
    auto watch = std::make_shared<Watch>();
    watch->limits = {ctx_.loop, cgroup, plan,
                     [this, &mode](const LimitMet& met) { take(mode, met); }};
    if (plan.tell != 0) watch->refusals = watch_refusals(mode, cgroup, plan.tell);
    return watch;
}

void Denials::take(const Mode& mode, const LimitMet& met) {
    const Denied denied = about_(mode);
    const char* verdict = policy::limit_verdict(met.event);
    const auto explain = [&]() -> Details {
        policy::Explanation why;
        if (denied.profile != nullptr) why = policy::explain_limit(*denied.profile, met.event);
        return details_of({"cgroup", "a limit of its cgroup", verdict, "", 0}, why);
    };
    tell(denied, fmt::format("limit {}", static_cast<unsigned>(met.event)), explain, met.times);
}

void Denials::remember(Recording& recording, const std::string& key, const Explain& explain,
                       std::uint64_t times) {
    auto at = recording.seen.find(key);
    if (at == recording.seen.end()) {
        if (recording.seen.size() >= Recording::kMaxSeen) {
            ++recording.lost;
            return;
        }
        at = recording.seen.emplace(key, Recording::Seen{0, explain()}).first;
    }
    at->second.times += times;
}

void Denials::tell(const Denied& denied, const std::string& key, const Explain& explain,
                   std::uint64_t times) {
    if (denied.recording != nullptr) remember(*denied.recording, key, explain, times);
    tell("denied", denied.mode, key, explain, times);
}

void Denials::tell(const std::string& kind, const std::string& mode, std::string key,
                   const Explain& explain, std::uint64_t times) {
    auto& of_mode = repeated_[mode];
    const bool full = of_mode.size() >= kMaxRepeated && !of_mode.contains(key);
    if (full) key = "others";
    const auto [at, fresh] = of_mode.try_emplace(key);
    if (!fresh) {
        at->second.more += times;
        return;
    }
    at->second.details =
        full ? Details{{"what", "more kinds of refusals than are told one by one"}} : explain();
    if (!at->second.details.empty()) {
        Details details = at->second.details;
        if (times > 1) details.emplace_back("times", std::to_string(times));
        send(kind, mode, details);
    }
    wait(kind, mode, key);
}

void Denials::send(const std::string& kind, const std::string& mode, const Details& details) {
    const bool kept = kind == "denied" && keep_(mode, details);
    ctx_.observer.event(kind, mode, details, kept ? Audience::listeners : Audience::everyone);
}

void Denials::wait(const std::string& kind, const std::string& mode, const std::string& key) {
    repeated_[mode][key].timer = ctx_.loop.after(kQuiet, [this, kind, mode, key] {
        auto& repeated = repeated_[mode][key];
        const auto more = std::exchange(repeated.more, 0);
        if (more == 0) {
            repeated_[std::string(mode)].erase(std::string(key));  // the callback goes with it
            return;
        }
        if (!repeated.details.empty()) {
            Details details = repeated.details;
            details.emplace_back("times", std::to_string(more));
            send(kind, mode, details);
        }
        wait(std::string(kind), std::string(mode), std::string(key));  // so do its captures
    });
}

}  // namespace pmos::daemon
