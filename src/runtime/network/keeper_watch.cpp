// network: what others do to what pmos has made: whose rules or link are not its own any more is
// cut off, before anything is asked.
#include <algorithm>

#include "runtime/network/forwarding.h"
#include "runtime/network/keeper.h"
#include "runtime/network/part.h"
#include "runtime/network/rules.h"
#include "runtime/network/wire.h"

namespace pmos::network {

using policy::Zone;

Result<> Keeper::watch_phone() {
    Watch::Told told;
    told.links = [this] { look_at_links(); };
    told.tables = [this](const Changed& changed) { phone_changed(changed); };
    told.missed = [this] {
        for (auto& [mode, held] : held_)
            if (held.stands) load_again(mode, held);
    };
    PMOS_ASSIGN(watch_, Watch::make(loop_, std::move(told)));
    PMOS_ASSIGN(clock_, ClockWatch::make(loop_, [this] { clock_changed(); }));
    return {};
}

// What a name opened is open for as long as its answer was good, also over a sleep.
void Keeper::clock_changed() {
    for (auto& [mode, held] : held_)
        if (held.stands && held.resolver) load_again(mode, held);
}

// It is refused all the same: for that no mode has to be without a network.
void Keeper::listen_for_refusals(const std::string& mode, Held& held) {
    auto log = phone_.home.inside(held.netns.borrow(), [&] {
        return RefusedLog::make(loop_, mode, held.plan, [this](const auto& r) { refused_(r); });
    });
    if (!log) return deaf_(mode, log.error().message());
    held.refused = std::move(*log);
}

// From before there is anything.
Result<> Keeper::watch_mode(const std::string& mode, Held& held) {
    const auto while_it_stands = [this, mode](auto f) {
        const auto at = held_.find(mode);
        if (at != held_.end() && at->second.stands) f(at->second);
    };
    Watch::Told told;
    told.links = [this] { look_at_links(); };
    told.tables = [this, mode, while_it_stands](const Changed& changed) {
        const auto ours = std::string(kModeFamily) + " " + std::string(kModeTable);
        if (!changed.tables.contains(ours)) return;
        const auto why = "its table '" + ours + "' was changed by " + changed.who;
        while_it_stands([&](Held& now) { cut(mode, now, why); });
        const auto at = held_.find(mode);
        if (at != held_.end() && at->second.making) at->second.meddled = why;
    };
    told.missed = [this, mode, while_it_stands] {
        while_it_stands([&](Held& now) { load_again(mode, now); });
    };
    told.spent = [this, mode] { volume_spent(mode); };
    PMOS_ASSIGN(held.watch, phone_.home.inside(held.netns.borrow(), [&] {
        return Watch::make(loop_, std::move(told));
    }));
    return {};
}

Result<bool> Keeper::is_right(const std::string& mode, const Held& held) const {
    PMOS_ASSIGN(const auto links,
                phone_.home.inside(held.netns.borrow(), [] { return Links::open(); }));
    if (held.plan.zone == Zone::direct) return wire_stands(phone_, links, mode);
    PMOS_ASSIGN(const auto link, links.find(kModeLink));
    return link && link->up && link->kind == "wireguard" && link->alias == mode;
}

void Keeper::look_at_links() {
    for (auto& [mode, held] : held_) {
        if (!held.stands) continue;
        const auto right = is_right(mode, held);
        if (!right) cut(mode, held, right.error().message());
        if (right && !*right)
            cut(mode, held, "its link was set down, changed, moved or removed by somebody else");
    }
}

void Keeper::phone_changed(const Changed& changed) {
    // First of all what stands guard: it is no mode's, and it is what tells that the forwarding is
    // to be switched off with the last wire. Where it cannot be put back, nothing is forwarded.
    const auto each_wire = [this](auto f) {
        for (auto& [mode, held] : held_)
            if (held.stands && held.plan.zone == Zone::direct) f(mode, held);
    };
    bool forwards = false;
    each_wire([&](const auto&, const Held&) { forwards = true; });
    for (const bool v6 : {false, true}) {
        const auto name = std::string(guard_family(v6)) + " " + std::string(kGuardTable);
        if (!forwards || !changed.tables.contains(name)) continue;
        const auto loaded =
            phone_.nft.replace({guard(phone_.run, v6)}, "cannot put back '" + name + "'");
        if (loaded) continue;
        each_wire([&](const auto& mode, Held& held) { cut(mode, held, loaded.error().message()); });
    }
    each_wire([&](const auto& mode, Held& held) {
        const auto ours = std::string(kWireFamily) + " " + wire_table(mode);
        if (changed.tables.contains(ours))
            cut(mode, held, "its table '" + ours + "' was changed by " + changed.who);
    });
}

void Keeper::load_again(const std::string& mode, Held& held) {
    auto loaded = begin(mode, held);
    if (loaded && held.resolver) loaded = held.resolver->open_again();
    if (!loaded) return cut(mode, held, loaded.error().message());
    look_at_links();
}

void Keeper::cut(const std::string& mode, Held& held, std::string why) {
    held.stands = false;
    held.resolver.reset();
    if (held.tunnel) held.tunnel->stop();
    const auto room = Room::open(phone_.home, held.netns.borrow());
    const auto gone = room ? room->remove_links() : Result<std::size_t>(fail(room.error()));
    const auto wire = disconnect_wire(phone_, mode);
    if (held.tunnel && gone && *gone == 0)
        why += "; it is not in the mode's namespace: where it was moved, its key is with it";
    if (!gone || !wire)
        why += "; and it could not be cut off: " + (gone ? wire.error() : gone.error()).message();
    lost_(mode, why);
}

}  // namespace pmos::network
