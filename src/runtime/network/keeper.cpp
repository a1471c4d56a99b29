// network: who has what network. Of what stands the kernel knows more than this, which is told
// again after each of its starts.
#include "runtime/network/keeper.h"

#include <sys/stat.h>

#include <algorithm>

#include "policy/connection.h"
#include "policy/names.h"
#include "runtime/network/part.h"
#include "runtime/network/rules.h"
#include "runtime/network/wire.h"

namespace pmos::network {
namespace {

using policy::Zone;

void attach(Result<>& cause, Result<> undone) {
    if (!undone) cause.error().undo_failures.push_back(std::move(undone.error()));
}

bool same_file(const UniqueFd& a, const UniqueFd& b) {
    struct stat first {};
    struct stat second {};
    return ::fstat(a.get(), &first) == 0 && ::fstat(b.get(), &second) == 0 &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

}  // namespace

Result<std::unique_ptr<Keeper>> Keeper::make(event::EventLoop& loop, Programs programs,
                                             std::string run) {
    PMOS_ASSIGN(auto phone, Phone::open());
    phone.run = std::move(run);
    std::unique_ptr<Keeper> made(new Keeper(loop, std::move(phone), std::move(programs)));
    PMOS_TRY(made->watch_phone());
    return made;
}

void Keeper::connect(const std::string& mode, UniqueFd netns, policy::NetworkPlan plan,
                     UniqueFd key, event::Done done) {
    if (!policy::has_wire(plan.zone))
        return done(fail(Code::usage, "the plan of the mode '" + mode + "' has no network"));
    if (const auto other = phone_.home.check_other(netns.borrow()); !other)
        return done(fail(other.error()));
    if (const auto before = held_.find(mode); before != held_.end() && before->second.making)
        return done(fail(Code::busy, "the network of the mode '" + mode + "' is being made"));
    if (const auto before = held_.find(mode);
        before != held_.end() && !before->second.stands && same_file(before->second.netns, netns))
        return done(fail(Code::not_found, "the mode '" + mode + "' was cut off its network",
                         "somebody else had changed it", "start it again"));
    if (const auto before = held_.extract(mode)) remember_volume(mode, before.mapped());
    auto& held = held_[mode];
    held.netns = std::move(netns);
    held.plan = std::move(plan);
    held.making = true;
    listen_for_refusals(mode, held);
    auto begun = watch_mode(mode, held);
    if (begun) begun = begin(mode, held);
    if (begun) count_traffic(mode, held);
    if (!begun || held.plan.zone == Zone::direct)
        return made(mode, std::move(begun), std::move(done));
    held.tunnel = std::make_unique<Tunnel>(loop_, phone_, programs_, mode, held.netns.borrow(),
                                           held.plan.tunnel);
    held.tunnel->connect(std::move(key),
                         [this, mode, done = std::move(done)](Result<> so_far) mutable {
                             made(mode, std::move(so_far), std::move(done));
                         });
}

// All of a wire; of a tunnel its rules.
Result<> Keeper::begin(const std::string& mode, Held& held) {
    PMOS_ASSIGN(const auto spent, begin_volume(mode, held));
    if (held.plan.zone == Zone::direct)
        return connect_wire(phone_, mode, held.netns.borrow(), held.plan, spent);
    PMOS_TRY(disconnect_wire(phone_, mode));
    PMOS_ASSIGN(const auto room, Room::open(phone_.home, held.netns.borrow()));
    return room.guard(held.plan, phone_.resolver_user, spent);
}

// Whoever took the network away meanwhile has done so whole.
void Keeper::made(const std::string& mode, Result<> so_far, event::Done done) {
    const auto at = held_.find(mode);
    if (at != held_.end()) {
        at->second.making = false;
        if (so_far && !at->second.meddled.empty())
            so_far = fail(Code::failed, "the network was changed while it was being made",
                          at->second.meddled);
        if (so_far) so_far = start_resolver(mode, at->second);
        at->second.stands = so_far.has_value();
        if (!so_far) {
            const auto held = held_.extract(at);
            attach(so_far, take_away(mode, held.mapped()));
        }
    }
    const bool stands = so_far.has_value();
    done(std::move(so_far));
    if (stands) look_at_volume(mode);
}

Result<> Keeper::start_resolver(const std::string& mode, Held& held) {
    if (held.plan.dns.empty()) return {};
    const auto refused = [log = held.refused.get()](const auto& name, const auto& verdict) {
        if (log == nullptr) return;
        Refusal refusal;
        refusal.name = name;
        refusal.reason = policy::word_at(policy::kConnectionReasonNames, verdict.reason);
        refusal.pointer = verdict.pointer;
        log->add(std::move(refusal));
    };
    held.resolver = std::make_unique<Resolver>(loop_, phone_, programs_.dns, mode,
                                               held.netns.borrow(), held.plan, refused);
    return held.resolver->start();
}

// The link first, so that nothing goes without rules.
Result<> Keeper::take_away(const std::string& mode, const Held& held) {
    if (held.tunnel) held.tunnel->stop();
    remember_volume(mode, held);
    auto wire = disconnect_wire(phone_, mode);
    auto room = Room::open(phone_.home, held.netns.borrow());
    auto inside = room ? room->clear() : Result<>(fail(std::move(room.error())));
    if (!wire) attach(wire, std::move(inside));
    return wire ? inside : wire;
}

Result<> Keeper::disconnect(const std::string& mode, UniqueFd netns) {
    if (const auto held = held_.extract(mode)) return take_away(mode, held.mapped());
    if (!netns) return disconnect_wire(phone_, mode);
    PMOS_TRY(phone_.home.check_other(netns.borrow()));
    Held unknown;
    unknown.netns = std::move(netns);
    return take_away(mode, unknown);
}

Result<> Keeper::keep(const std::vector<std::string>& modes) {
    std::vector<std::string> gone;
    for (const auto& [mode, held] : held_)
        if (std::ranges::find(modes, mode) == modes.end()) gone.push_back(mode);
    Result<> done;
    for (const auto& mode : gone)
        if (auto one = disconnect(mode); !one && done) done = std::move(one);
    auto rest = keep_wires(phone_, modes);
    return done ? rest : done;
}

void Keeper::status(const std::string& mode, event::Answer<NetworkState> answer) {
    const auto at = held_.find(mode);
    if (at == held_.end() || !at->second.stands)
        return answer(fail(Code::not_found, "the mode '" + mode + "' has no network"));
    const auto links = phone_.home.inside(at->second.netns.borrow(), [] { return Links::open(); });
    if (!links) return answer(fail(links.error()));
    auto link = links->find(kModeLink);
    if (!link) return answer(fail(std::move(link.error())));
    NetworkState state;
    if (*link) {
        state.received = (*link)->received;
        state.sent = (*link)->sent;
    }
    if (at->second.plan.limits.volume != 0) {
        auto spent = spent_today(mode, at->second.netns.borrow());
        if (!spent) return answer(fail(std::move(spent.error())));
        state.spent = spent->bytes;
    }
    if (!at->second.tunnel) return answer(std::move(state));
    at->second.tunnel->state(
        [state = std::move(state), answer = std::move(answer)](Result<TunnelState> tunnel) mutable {
            if (!tunnel) return answer(fail(std::move(tunnel.error())));
            state.peers = std::move(tunnel->peers);
            answer(std::move(state));
        });
}

}  // namespace pmos::network
