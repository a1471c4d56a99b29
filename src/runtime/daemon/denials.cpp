// daemon: what the kernel refused to a mode, as events that name the profile's line. Refuses
// nothing itself.
#include "runtime/daemon/denials.h"

#include <fmt/format.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "runtime/device/filter.h"

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

constexpr auto kQuiet = 10s;
constexpr std::size_t kMaxRepeated = 256;

Result<UniqueFd> open_audit() {
    UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_AUDIT));
    if (!fd) return fail(errno_error(errno, "cannot open the audit socket"));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = 1U << (AUDIT_NLGRP_READLOG - 1);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return fail(errno_error(errno, "cannot listen to audit records"));
    return fd;
}

// glibc asks for clone3 at every thread and falls back to clone: that refusal means nothing.
bool is_expected(const policy::Explanation& why) {
    return why.rule == "seccomp-guard" && why.what == "clone3";
}

const char* verdict(const AuditRecord& record) {
    if (record.layer == AuditRecord::Layer::apparmor) return "refused";
    switch (record.action & SECCOMP_RET_ACTION_FULL) {
        case SECCOMP_RET_ERRNO:
            return "refused";
        case SECCOMP_RET_LOG:
            return "allowed";
        default:
            return "killed";
    }
}

policy::Explanation explain(const AuditRecord& record, const Denied& denied) {
    if (record.layer == AuditRecord::Layer::apparmor)
        return {.rule = "apparmor",
                .what = record.operation + " " + record.object,
                .why = fmt::format("the AppArmor profile denies '{}'", record.denied),
                .at = denied.profile->where("lsm/apparmor")};
    const policy::Arch& arch = *policy::find_arch(denied.phone->arch);  // it has a plan: known
    if (record.arch != arch.audit)
        return policy::explain_foreign_syscall(*denied.profile, record.arch, record.syscall);
    return policy::explain_refused_syscall(*denied.profile, arch, record.syscall);
}

Details details_of(const char* layer, const policy::Explanation& why, const char* verdict,
                   const std::string& program, int pid) {
    return {{"layer", layer},
            {"what", why.what},
            {"verdict", verdict},
            {"program", program},
            {"pid", std::to_string(pid)},
            {"why", why.rule.empty() ? "its profile is gone" : why.why},
            {"at", to_text(why.at)},
            {"rule", why.rule},
            {"hint", why.fix}};
}

}  // namespace

Denials::Denials(const Context& ctx, WhoIs who_is) : ctx_(ctx), who_is_(std::move(who_is)) {
    if (auto socket = open_audit()) {
        socket_ = std::move(*socket);
        audit_readable_ =
            ctx.loop.on_io(socket_.borrow(), EPOLLIN, [this](std::uint32_t) { read_audit(); });
    }
    if (auto ring = device::DenialRing::make()) {
        ring_.emplace(std::move(*ring));
        ring_readable_ = ctx.loop.on_io(ring_->fd(), EPOLLIN, [this](std::uint32_t) {
            for (const auto& denial : ring_->take()) take(denial);
        });
    }
}

Result<UniqueFd> Denials::load_filter(const policy::LaunchPlan& plan) const {
    if (!ring_) return device::load_filter(plan.device_filter);
    PMOS_ASSIGN(const auto reporting, ring_->report(plan.device_filter));
    return device::load_filter(reporting);
}

void Denials::read_audit() {
    alignas(nlmsghdr) std::array<char, 8970> buffer;  // MAX_AUDIT_MESSAGE_LENGTH
    while (true) {
        sockaddr_nl from{};
        socklen_t size = sizeof from;
        const ssize_t n = ::recvfrom(socket_.get(), buffer.data(), buffer.size(), 0,
                                     reinterpret_cast<sockaddr*>(&from), &size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == ENOBUFS) {
            ctx_.observer.event("denials-lost", "", {{"why", "more came than could be read"}});
            continue;
        }
        if (n < 0) return;
        nlmsghdr header{};
        if (from.nl_pid != 0 || static_cast<std::size_t>(n) < sizeof header) continue;
        std::memcpy(&header, buffer.data(), sizeof header);
        const std::string_view text(buffer.data() + NLMSG_HDRLEN,
                                    static_cast<std::size_t>(n) - NLMSG_HDRLEN);
        if (const auto record = parse_audit_record(header.nlmsg_type, text)) take(*record);
    }
}

void Denials::take(const AuditRecord& record) {
    const auto denied = who_is_(record.uid);
    if (!denied) return;
    policy::Explanation why;
    if (denied->profile != nullptr) why = explain(record, *denied);
    if (is_expected(why)) return;
    const bool seccomp = record.layer == AuditRecord::Layer::seccomp;
    tell(denied->mode, details_of(seccomp ? "seccomp" : "apparmor", why, verdict(record),
                                  record.program, record.pid));
}

void Denials::take(const device::DeviceDenial& denial) {
    const auto denied = who_is_(denial.uid);
    if (!denied) return;
    policy::Explanation why;
    if (denied->profile != nullptr)
        why = policy::explain_refused_device(*denied->profile, denied->phone->devices, denial.block,
                                             denial.major, denial.minor);
    tell(denied->mode, details_of("device", why, "refused", denial.program, denial.pid));
}

void Denials::tell(const std::string& mode, Details details) {
    std::string key = mode + '\n' + details[0].second + '\n' + details[1].second;
    if (repeated_.size() >= kMaxRepeated && !repeated_.contains(key)) {
        key = mode;
        details = {{"layer", "all"}, {"what", "more kinds of refusals than are told one by one"}};
    }
    const auto [at, fresh] = repeated_.try_emplace(key);
    if (!fresh) {
        ++at->second.more;
        return;
    }
    ctx_.observer.event("denied", mode, details);
    at->second.details = std::move(details);
    wait(key, mode);
}

void Denials::wait(const std::string& key, const std::string& mode) {
    repeated_.at(key).timer = ctx_.loop.after(kQuiet, [this, key, mode] {
        auto& repeated = repeated_.at(key);
        const auto more = std::exchange(repeated.more, 0);
        if (more == 0) {
            repeated_.erase(std::string(key));  // the callback goes with it
            return;
        }
        Details details = repeated.details;
        details.emplace_back("times", std::to_string(more));
        ctx_.observer.event("denied", mode, details);
        wait(key, mode);
    });
}

}  // namespace pmos::daemon
