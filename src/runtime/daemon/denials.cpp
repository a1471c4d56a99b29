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
    if (record.arch != denied.arch->audit)
        return policy::explain_foreign_syscall(*denied.profile, record.arch, record.syscall);
    return policy::explain_refused_syscall(*denied.profile, *denied.arch, record.syscall);
}

}  // namespace

Result<std::unique_ptr<Denials>> Denials::make(const Context& ctx, WhoIs who_is) {
    std::unique_ptr<Denials> denials(new Denials(ctx, std::move(who_is)));
    PMOS_ASSIGN(denials->socket_, open_audit());
    denials->readable_ = ctx.loop.on_io(denials->socket_.borrow(), EPOLLIN,
                                        [self = denials.get()](std::uint32_t) { self->read(); });
    if (!denials->readable_) return fail(Code::no_space, "cannot watch the audit socket");
    return denials;
}

void Denials::read() {
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
    if (!denied || denied->arch == nullptr) return;
    policy::Explanation why;
    if (denied->profile != nullptr) why = explain(record, *denied);
    if (is_expected(why)) return;
    const bool seccomp = record.layer == AuditRecord::Layer::seccomp;
    tell(denied->mode, {{"layer", seccomp ? "seccomp" : "apparmor"},
                        {"what", why.what},
                        {"verdict", verdict(record)},
                        {"program", record.program},
                        {"pid", std::to_string(record.pid)},
                        {"why", denied->profile != nullptr ? why.why : "its profile is gone"},
                        {"at", to_text(why.at)},
                        {"rule", why.rule},
                        {"hint", why.fix}});
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
