// daemon: what capability checks and Landlock refused to a mode, as denials. See denials.h.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>

#include <utility>

#include "policy/plan_image.h"
#include "runtime/bpf/objects.h"
#include "runtime/daemon/attempt.h"
#include "runtime/daemon/denials.h"
#include "runtime/daemon/mode.h"
#include "runtime/refusals/programs.h"

namespace pmos::daemon {
namespace {

using policy::LandlockTry;
using refusals::Hook;
namespace image = policy::image;

static_assert(std::uint32_t{image::tell_capabilities} == refusals::watch_capabilities &&
              std::uint32_t{image::tell_landlock} == refusals::watch_landlock);

constexpr std::chrono::milliseconds kLookForLost{1100};
constexpr std::uint32_t kFmodeExec = 0x20;  // include/linux/fs.h: execve opens with it

struct Tried {
    LandlockTry what{};
    const char* verb;
};

Tried tried_by(const refusals::Refusal& r) {
    switch (r.hook) {
        case Hook::file_open:
            if ((r.flags & kFmodeExec) != 0) return {LandlockTry::execute, "execute"};
            if ((r.flags & O_ACCMODE) != O_RDONLY) return {LandlockTry::write, "write"};
            return {LandlockTry::read, "read"};
        case Hook::truncate:
            return {LandlockTry::write, "truncate"};
        case Hook::link:
            return {LandlockTry::change, "link"};
        case Hook::rename:
            return {LandlockTry::change, "rename"};
        case Hook::mkdir:
            return {LandlockTry::change, "make directory"};
        case Hook::mknod:
            return {LandlockTry::change, "make"};
        case Hook::symlink:
            return {LandlockTry::change, "make link"};
        case Hook::unlink:
            return {LandlockTry::change, "remove"};
        case Hook::rmdir:
            return {LandlockTry::change, "remove directory"};
        case Hook::ptrace:
        case Hook::ptrace_me:
            return {LandlockTry::trace, "look into another process"};
        case Hook::mount:
            return {LandlockTry::mount, "mount"};
        case Hook::move_mount:
            return {LandlockTry::mount, "move a mount"};
        case Hook::umount:
            return {LandlockTry::mount, "unmount"};
        case Hook::remount:
            return {LandlockTry::mount, "remount"};
        case Hook::pivot_root:
            return {LandlockTry::mount, "pivot_root"};
        case Hook::capability:
            break;
    }
    return {LandlockTry::read, ""};
}

std::string unseen(const refusals::Probe& probe) {
    std::string out;
    for (const auto& row : refusals::kHookRows)
        if (!probe.sees(row.hook))
            out += fmt::format("{}{}", out.empty() ? "" : "; ", probe.why_unseen(row.hook));
    return out;
}

}  // namespace

void Denials::add_facts(policy::HostFacts& facts) {
    if (!probe_) {
        probe_.emplace(refusals::Probe::make());
        if (*probe_)
            probe_readable_ = ctx_.loop.on_io((*probe_)->fd(), EPOLLIN,
                                              [this](std::uint32_t) { take_refusals(); });
    }
    facts.capability_denials = probe_->has_value() && (*probe_)->sees(Hook::capability);
    facts.landlock_denials = probe_->has_value() && (*probe_)->sees(Hook::file_open);
    facts.refusals_unseen = *probe_ ? unseen(**probe_) : probe_->error().message();
}

std::shared_ptr<void> Denials::watch_refusals(const Mode& mode, const host::Cgroup& cgroup,
                                              std::uint32_t what) {
    policy::HostFacts ignored;
    add_facts(ignored);  // a mode that was adopted may be the first to want it
    Result<> watched;
    const auto id = bpf::cgroup_id(cgroup.fd());
    if (!*probe_)
        watched = fail(Error(probe_->error()));
    else if (!id)
        watched = fail(Error(id.error()));
    else
        watched = (*probe_)->watch(*id, what);
    if (!watched) {
        ctx_.observer.event("denials-lost", mode.name, {{"why", watched.error().message()}});
        return nullptr;
    }
    watched_[*id] = &mode;
    return {this, [this, &mode, cgroup_id = *id](void*) {
                tell_lost_of(cgroup_id, mode);
                watched_.erase(cgroup_id);
                static_cast<void>((*probe_)->watch(cgroup_id, 0));
            }};
}

// The kernel wakes nobody for what it loses. That is lost only within a second of a record, which
// does: whoever waits as long after each reading has seen it all.
void Denials::take_refusals() {
    for (const auto& refusal : (*probe_)->take()) take(refusal);
    refusals_came_ = true;
    if (!look_for_lost_)
        look_for_lost_ = ctx_.loop.after(kLookForLost, [this] { tell_lost_refusals(); });
}

void Denials::tell_lost_refusals() {
    for (const auto& [cgroup, mode] : watched_) tell_lost_of(cgroup, *mode);
    look_for_lost_.reset();
    if (std::exchange(refusals_came_, false))
        look_for_lost_ = ctx_.loop.after(kLookForLost, [this] { tell_lost_refusals(); });
}

void Denials::tell_lost_of(std::uint64_t cgroup, const Mode& mode) {
    const auto lost = (*probe_)->lost(cgroup);
    if (lost == 0) return;
    lost_ += lost;
    tell(
        "denials-lost", mode.name, "denials-lost",
        [] {
            return Details{
                {"why", "more capabilities and paths were refused than are told in a second"}};
        },
        lost);
}

void Denials::take(const refusals::Refusal& refusal) {
    const auto found = watched_.find(refusal.cgroup);
    if (found == watched_.end()) return;  // it has ended meanwhile
    const Denied denied = about_(*found->second);
    const bool capability = refusal.hook == Hook::capability;
    const Tried tried = tried_by(refusal);
    const std::string what = capability ? fmt::format("capability {}", refusal.capability)
                             : refusal.name.empty()
                                 ? std::string(tried.verb)
                                 : fmt::format("{} {}", tried.verb, refusal.name);
    const auto key = fmt::format("{} {} {}", what, refusal.own, refusal.program);
    const auto explain = [&] {
        policy::Explanation why;
        if (denied.profile != nullptr)
            why = capability
                      ? policy::explain_refused_capability(*denied.profile, refusal.capability,
                                                           refusal.own)
                      : policy::explain_refused_by_landlock(*denied.profile, tried.what, what);
        return details_of(
            {capability ? "capability" : "landlock", what, "refused", refusal.program, refusal.pid},
            why);
    };
    tell(denied, key, explain, refusal.times);
}

}  // namespace pmos::daemon
