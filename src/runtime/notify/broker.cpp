// notify: whose a notification is, who may see it, and who asks that the screen stays on.
#include "runtime/notify/broker.h"

#include <algorithm>
#include <utility>

namespace pmos::notify {
namespace {

using namespace std::chrono_literals;

constexpr auto kTellsEach = 100ms;
constexpr std::size_t kMostCookies = 32;

std::unexpected<Error> no_such_note() {
    return fail(Code::not_found, "there is no such notification");
}

}  // namespace

std::vector<Mark> marks_of(const std::vector<Shown>& shown) {
    std::vector<Mark> marks;
    for (const auto& one : shown)
        marks.push_back({one.mode, one.count, one.notes == nullptr ? 0 : one.notes->revision()});
    return marks;
}

void Broker::set_table(const Table& table) {
    auto before = std::exchange(modes_, {});
    for (const auto& rights : table.modes) {
        auto& mode = modes_[rights.name];
        if (const auto found = before.find(rights.name);
            found != before.end() && found->second.rights.run == rights.run)
            mode = std::move(found->second);
        mode.rights = rights;
        if (rights.locked || !rights.notifies) forget(rights.name, mode);
        if (rights.locked || !rights.keeps_awake) mode.awake.clear();
    }
    before.clear();
    listener_->modes_changed();
    tell_later_.reset();
    listener_->changed();
    expire();
}

const ModeRights* Broker::rights(const std::string& mode) const {
    const auto it = modes_.find(mode);
    return it == modes_.end() ? nullptr : &it->second.rights;
}

std::vector<std::string> Broker::modes() const {
    std::vector<std::string> names;
    for (const auto& [name, mode] : modes_) names.push_back(name);
    return names;
}

Result<Broker::Mode*> Broker::find(const std::string& mode) {
    const auto it = modes_.find(mode);
    if (it == modes_.end()) return fail(Code::denied, "this mode has no notifications");
    // What it said before it was locked may come behind that.
    if (it->second.rights.locked) return fail(Code::locked, "this mode is locked");
    return &it->second;
}

Result<std::uint32_t> Broker::notify(const std::string& name, Note note, std::uint32_t replaces) {
    PMOS_ASSIGN(Mode* const mode, find(name));
    if (!mode->rights.notifies)
        return fail(Code::denied, "this mode has no notifications", "its profile gives it none");
    std::vector<Notes::Gone> gone;
    PMOS_ASSIGN(const auto id, mode->notes.add(std::move(note), replaces, Clock::now(), gone));
    tell_closed(name, gone);
    touched();
    expire();
    return id;
}

Result<> Broker::close(const std::string& name, std::uint32_t id, Reason reason) {
    PMOS_ASSIGN(Mode* const mode, find(name));
    if (!mode->notes.remove(id)) return no_such_note();
    listener_->closed(name, id, reason);
    touched();
    return {};
}

Result<> Broker::invoke(const std::string& name, std::uint32_t id, const std::string& action) {
    PMOS_ASSIGN(Mode* const mode, find(name));
    const Note* const note = mode->notes.find(id);
    if (note == nullptr) return no_such_note();
    if (std::ranges::none_of(note->actions, [&](const auto& one) { return one.first == action; }))
        return fail(Code::not_found, "the notification has no such action");
    const bool stays = note->resident;
    listener_->invoked(name, id, action);
    return stays ? Result<>() : close(name, id, Reason::dismissed);
}

Result<std::uint32_t> Broker::keep_awake(const std::string& name, const std::string& client) {
    PMOS_ASSIGN(Mode* const mode, find(name));
    if (!mode->rights.keeps_awake)
        return fail(Code::denied, "this mode may not keep the screen on",
                    "its profile does not let it");
    if (mode->awake.size() >= kMostCookies) return fail(Code::busy, "too many keep the screen on");
    do ++mode->last_cookie;
    while (mode->last_cookie == 0 || mode->awake.contains(mode->last_cookie));
    mode->awake[mode->last_cookie] = client;
    touched();
    return mode->last_cookie;
}

Result<> Broker::let_sleep(const std::string& name, const std::string& client,
                           std::uint32_t cookie) {
    PMOS_ASSIGN(Mode* const mode, find(name));
    const auto it = mode->awake.find(cookie);
    if (it == mode->awake.end() || it->second != client)
        return fail(Code::not_found, "there is no such cookie");
    mode->awake.erase(it);
    touched();
    return {};
}

void Broker::client_gone(const std::string& name, const std::string& client) {
    const auto it = modes_.find(name);
    if (it == modes_.end()) return;
    if (std::erase_if(it->second.awake, [&](const auto& one) { return one.second == client; }) != 0)
        touched();
}

Shown Broker::shown_of(const std::string& name, const Mode& mode, Telling telling) {
    if (telling == Telling::nothing || mode.rights.locked) return {name, 0, nullptr};
    return {name, mode.notes.count(), telling == Telling::full ? &mode.notes : nullptr};
}

std::vector<Shown> Broker::shown_to(const std::string& viewer) const {
    const auto* const own = rights(viewer);
    std::vector<Shown> shown;
    if (own == nullptr || !own->notifies || !own->foreground || own->locked) return shown;
    for (const auto& [name, mode] : modes_)
        if (auto one = shown_of(name, mode, mode.rights.telling); name != viewer && one.count != 0)
            shown.push_back(std::move(one));
    return shown;
}

std::vector<Shown> Broker::shown_to_host() const {
    std::vector<Shown> shown;
    for (const auto& [name, mode] : modes_) {
        const auto telling = mode.rights.foreground ? Telling::full : mode.rights.telling;
        if (auto one = shown_of(name, mode, telling); one.count != 0)
            shown.push_back(std::move(one));
    }
    return shown;
}

std::vector<ModeUse> Broker::uses() const {
    std::vector<ModeUse> uses;
    for (const auto& one : shown_to_host()) uses.push_back({one.mode, one.count, false});
    for (const auto& [name, mode] : modes_) {
        if (mode.awake.empty()) continue;
        auto use = std::ranges::find(uses, name, &ModeUse::name);
        if (use == uses.end()) use = uses.insert(uses.end(), {name, 0, false});
        use->wants_awake = true;
    }
    return uses;
}

void Broker::forget(const std::string& name, Mode& mode) { tell_closed(name, mode.notes.clear()); }

void Broker::tell_closed(const std::string& mode, const std::vector<Notes::Gone>& gone) {
    for (const auto& one : gone) listener_->closed(mode, one.id, one.reason);
}

// A program that is busy does not wake everybody each time.
void Broker::touched() {
    if (!tell_later_)
        tell_later_ = loop_.after(kTellsEach, [this] {
            tell_later_.reset();
            listener_->changed();
        });
}

void Broker::expire() {
    const auto now = Clock::now();
    auto next = Clock::time_point::max();
    for (auto& [name, mode] : modes_) {
        const auto gone = mode.notes.expire(now);
        tell_closed(name, gone);
        if (!gone.empty()) touched();
        if (const auto due = mode.notes.next_due()) next = std::min(next, *due);
    }
    expire_later_.reset();
    if (next == Clock::time_point::max()) return;
    // Rounded up: too early would be in vain, again and again.
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - now);
    expire_later_ = loop_.after(wait, [this] { expire(); });
}

}  // namespace pmos::notify
