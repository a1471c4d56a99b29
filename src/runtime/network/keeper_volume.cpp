// network: the day's volume of the modes that have one: it goes on where rules are loaded anew,
// also in a mode's next life, and begins anew with the day.
#include <algorithm>
#include <utility>

#include "runtime/network/keeper.h"

namespace pmos::network {
namespace {

bool is_limited(const policy::NetworkPlan& plan) { return plan.limits.volume != 0; }

}  // namespace

// What stands counts on, whoever began it.
Result<Spent> Keeper::spent_today(const std::string& mode, BorrowedFd netns) const {
    Spent today{day_of(Clock::now())};
    PMOS_ASSIGN(today.bytes, phone_.home.inside(netns, [&] { return bytes_spent(today.day); }));
    const auto before = spent_.find(mode);
    if (before != spent_.end() && before->second.day == today.day)
        today.bytes = std::max(today.bytes, before->second.bytes);
    return today;
}

// One that is used up was told of by who saw it.
Result<Spent> Keeper::begin_volume(const std::string& mode, Held& held) {
    if (!is_limited(held.plan)) return Spent{};
    PMOS_ASSIGN(const auto spent, spent_today(mode, held.netns.borrow()));
    spent_[mode] = spent;
    held.day = spent.day;
    held.used_up = spent.bytes >= held.plan.limits.volume;
    return spent;
}

// Also of one whose plan is not known here: a pmos-net before this one may have begun it.
void Keeper::remember_volume(const std::string& mode, const Held& held) {
    const auto spent = spent_today(mode, held.netns.borrow());
    if (spent && spent->bytes != 0) spent_[mode] = *spent;
}

void Keeper::volume_spent(const std::string& mode) {
    const auto at = held_.find(mode);
    if (at == held_.end() || std::exchange(at->second.used_up, true)) return;
    if (at->second.stands)
        told_spent_(mode, at->second.plan.limits.volume);
    else
        at->second.tells_used_up = at->second.making;
}

void Keeper::look_at_volume(const std::string& mode) {
    const auto at = held_.find(mode);
    if (at == held_.end() || !is_limited(at->second.plan)) return;
    if (std::exchange(at->second.tells_used_up, false))
        told_spent_(mode, at->second.plan.limits.volume);
    look_at_the_day();
}

void Keeper::look_at_the_day() {
    const auto today = day_of(Clock::now());
    bool any = false;
    for (auto& [mode, held] : held_) {
        if (!is_limited(held.plan)) continue;
        any = true;
        if (held.stands && held.day != today) load_again(mode, held);
    }
    if (any)
        next_day_ = loop_.after(next_look(Clock::now()), [this] { look_at_the_day(); });
    else
        next_day_.reset();
}

}  // namespace pmos::network
