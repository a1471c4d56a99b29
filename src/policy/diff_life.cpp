// policy: diff: walls around a mode, its limits, its life and its hooks. Asks no host.
#include <fmt/format.h>
#include <sched.h>

#include <cmath>
#include <limits>
#include <map>

#include "policy/diff_parts.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

using enum ChangeKind;

void compare_namespaces(Teller& t) {
    const Profile &a = t.a.profile, &b = t.b.profile;
    for (const auto& [name, bit] : namespace_names()) {
        const bool was = (a.namespaces & bit) != 0, is = (b.namespaces & bit) != 0;
        if (was != is)
            t.say(name_space, turn_of(is, was), Danger::severe, std::string(name),
                  fmt::format("{} {} a {} namespace of its own", t.m, is ? "has" : "no longer has",
                              name),
                  "namespaces");
    }
    const bool both = (a.namespaces & b.namespaces & CLONE_NEWTIME) != 0;
    if (both && a.time_named != b.time_named)
        t.say(
            name_space, turn_of(b.time_named, a.time_named), Danger::slight, "time",
            b.time_named
                ? fmt::format("{} does not start where the kernel has no time namespaces", t.m)
                : fmt::format("{} starts without a time namespace where the kernel has none", t.m),
            b.time_named ? t.a.where("namespaces") : t.a.where("timeOffsets"),
            b.time_named ? t.b.where("timeOffsets") : t.b.where("namespaces"));
    for (const auto& [key, was, is] :
         {std::tuple("monotonic", a.monotonic_offset, b.monotonic_offset),
          std::tuple("boottime", a.boottime_offset, b.boottime_offset)})
        if (was != is)
            t.say(name_space, Turn::change, Danger::none, key,
                  fmt::format("{}'s {} clock is {} s off the phone's instead of {} s", t.m, key, is,
                              was),
                  fmt::format("timeOffsets/{}", key));
}

bool covers(const std::vector<std::string>& directories, const std::string& path) {
    return std::ranges::any_of(directories, [&](const std::string& d) {
        return d == "/" || path == d || path.starts_with(d + "/");
    });
}

void compare_landlock(Teller& t) {
    const Profile &a = t.a.profile, &b = t.b.profile;
    const auto tell = [&](const auto& some, const auto& others, Turn turn) {
        for (const auto& directory : some)
            if (!covers(others, directory))
                t.say(execute, turn, Danger::moderate, directory,
                      fmt::format("Landlock {}admits execution below '{}' in {}",
                                  pick(turn, "", "no longer "), directory, t.m),
                      "landlock/execute");
    };
    tell(b.landlock_execute, a.landlock_execute, Turn::gain);
    tell(a.landlock_execute, b.landlock_execute, Turn::loss);
}

// A wall without which a mode does not start.
void compare_required(Teller& t, std::string_view what, std::string_view key, bool was, bool is) {
    if (was == is) return;
    t.say(confinement, turn_of(is, was), Danger::serious, std::string(key),
          is ? fmt::format("{} does not start without {}", t.m, what)
             : fmt::format("{} starts without {} where the kernel has none", t.m, what),
          key);
}

void compare_apparmor(Teller& t) {
    const auto &was = t.a.profile.apparmor, &is = t.b.profile.apparmor;
    if (was == is) return;
    constexpr std::string_view kNone = "unconfined";
    t.say(confinement,
          is == kNone    ? Turn::gain
          : was == kNone ? Turn::loss
                         : Turn::change,
          is == kNone ? Danger::severe : Danger::moderate, "lsm/apparmor",
          fmt::format("{}'s AppArmor profile is '{}' instead of '{}'", t.m, is, was),
          "lsm/apparmor");
}

// Of "max", of a number, or of "quota period": how much it admits.
double amount(const std::string& value) {
    const auto blank = value.find(' ');
    const auto number = [](const std::string& text) {
        return text == "max" ? std::numeric_limits<double>::infinity() : std::stod(text);
    };
    if (blank == std::string::npos) return number(value);
    return number(value.substr(0, blank)) / number(value.substr(blank + 1));
}

std::string limit_words(const std::string& file, const CgroupLimit* l) {
    if (l == nullptr) return "not bounded";
    const bool bytes = l->controller == "memory" && l->value != "max";
    const auto value = bytes ? size_words(std::stoull(l->value)) : l->value;
    return l->optional && !(file == "memory.swap.max" && l->pointer.empty())
               ? value + ", where the kernel can"
               : value;
}

// In front, or behind another mode where that is something else.
struct Limits {
    std::vector<CgroupLimit> LaunchPlan::*of;
    std::string_view otherwise;  // the key that says what counts without any
    std::string_view where;
};
constexpr Limits kInFront{&LaunchPlan::cgroup, "resources", ""};
constexpr Limits kBehind{&LaunchPlan::background_cgroup, "session/background",
                         " in the background"};

void compare_limit(Teller& t, const Limits& limits, const std::string& file) {
    const auto of = [&](const Half& half) -> const CgroupLimit* {
        const auto& list = half.plan.*limits.of;
        const auto it = std::ranges::find(list, file, &CgroupLimit::file);
        return it == list.end() ? nullptr : &*it;
    };
    const auto place = [&](const Half& half, const CgroupLimit* l) {
        return half.where(l == nullptr || l->pointer.empty()
                              ? limits.otherwise
                              : std::string_view(l->pointer).substr(1));
    };
    const CgroupLimit *a = of(t.a), *b = of(t.b);
    const double none = std::numeric_limits<double>::infinity();
    // A weight that is not given is the kernel's 100.
    const double otherwise = file.ends_with(".weight") ? 100 : none;
    const double was = a == nullptr ? otherwise : amount(a->value),
                 is = b == nullptr ? otherwise : amount(b->value);
    const bool optional_a = a == nullptr || a->optional, optional_b = b == nullptr || b->optional;
    if (was == is &&
        (a == nullptr || b == nullptr || (a->optional == b->optional && a->value == b->value)))
        return;
    const Turn turn = was != is                  ? turn_of(was, is)
                      : optional_a != optional_b ? turn_of(optional_a, optional_b)
                                                 : Turn::change;
    t.say(limit, turn, std::isinf(is) ? Danger::moderate : Danger::slight, file,
          fmt::format("{}'s limit {}{} is {} instead of {}", t.m, file, limits.where,
                      limit_words(file, b), limit_words(file, a)),
          place(t.a, a), place(t.b, b));
}

std::string hook_words(const Hook& hook) {
    return hook.args.empty() ? shown(hook.path)
                             : shown(fmt::format("{} {}", hook.path, fmt::join(hook.args, " ")));
}

Location hook_place(const Half& half, HookPoint point) {
    return half.where(fmt::format("hooks/{}", hook_point_name(point)));
}

void compare_hook_point(Teller& t, HookPoint point) {
    const auto of = [&](const Half& half) {
        std::vector<const Hook*> out;
        for (const auto& hook : half.plan.hooks)
            if (hook.point == point) out.push_back(&hook);
        return out;
    };
    auto a = of(t.a), b = of(t.b);
    const auto name = hook_point_name(point);
    const auto say = [&](Turn turn, Danger weight, const Hook& hook, std::string words) {
        return &t.say(ChangeKind::hook, turn, weight, fmt::format("{} {}", name, hook.path),
                      std::move(words), hook_place(t.a, point), hook_place(t.b, point));
    };
    const auto same = [](const Hook* x, const Hook* y) {
        return x->path == y->path && x->args == y->args;
    };
    std::vector<const Hook*> kept_a, kept_b;
    for (const auto* hook : b) {
        const auto it =
            std::ranges::find_if(a, [&](const Hook* other) { return same(hook, other); });
        if (it == a.end()) {
            say(Turn::gain, Danger::serious, *hook,
                fmt::format("the phone runs '{}' at {} of {}", hook_words(*hook), name, t.m));
            continue;
        }
        kept_b.push_back(hook);
        if ((*it)->timeout_ms != hook->timeout_ms)
            say(Turn::change, Danger::none, *hook,
                fmt::format("'{}' at {} of {} may take {} instead of {}", hook_words(*hook), name,
                            t.m, time_words(hook->timeout_ms), time_words((*it)->timeout_ms)));
    }
    for (const auto* hook : a) {
        if (std::ranges::any_of(b, [&](const Hook* other) { return same(hook, other); })) {
            kept_a.push_back(hook);
            continue;
        }
        // What it kept is kept no more.
        say(Turn::loss, Danger::slight, *hook,
            fmt::format("the phone no longer runs '{}' at {} of {}", hook_words(*hook), name, t.m))
            ->danger = Danger::slight;
    }
    if (!std::ranges::equal(kept_a, kept_b, same))
        t.say(ChangeKind::hook, Turn::change, Danger::slight, std::string(name),
              fmt::format("the hooks at {} of {} run in another order", name, t.m),
              hook_place(t.a, point), hook_place(t.b, point));
}

}  // namespace

void compare_confinement(Teller& t) {
    compare_namespaces(t);
    compare_apparmor(t);
    compare_required(t, "AppArmor", "lsm/required", t.a.profile.apparmor_required,
                     t.b.profile.apparmor_required);
    compare_required(t, "Landlock", "landlock/required", t.a.profile.landlock_required,
                     t.b.profile.landlock_required);
    compare_landlock(t);
}

void compare_limits(Teller& t) {
    const auto throttled = [](const Half& half) {
        return half.profile.session.background == Background::throttle;
    };
    for (const auto& limits : {kInFront, kBehind}) {
        if (limits.of == kBehind.of && (!throttled(t.a) || !throttled(t.b))) continue;
        std::set<std::string> files;
        for (const auto* half : {&t.a, &t.b})
            for (const auto& l : half->plan.*limits.of) files.insert(l.file);
        for (const auto& file : files) compare_limit(t, limits, file);
    }
}

// 0 is never.
void compare_lock_time(Teller& t, const std::string& key, std::string_view what, std::uint32_t was,
                       std::uint32_t is) {
    const auto words = [](std::uint32_t ms) { return ms == 0 ? "never" : time_words(ms); };
    const auto length = [](std::uint32_t ms) { return ms == 0 ? UINT64_MAX : std::uint64_t{ms}; };
    if (was != is)
        t.say(lock, turn_of(length(was), length(is)), Danger::moderate, key,
              fmt::format("{} {} after: {} instead of {}", t.m, what, words(is), words(was)), key);
}

void compare_lock_moments(Teller& t) {
    for (std::size_t i = 0; i < split_list(kLockAtNames).size(); ++i) {
        const auto at = static_cast<LockAt>(i);
        const bool was = t.a.profile.session.locks_at(at), is = t.b.profile.session.locks_at(at);
        if (was != is)
            t.say(lock, is ? Turn::loss : Turn::gain, Danger::moderate, "session/lockAt",
                  fmt::format("{} {} at: {}", t.m, is ? "locks" : "no longer locks",
                              word_at(kLockAtNames, at)),
                  "session/lockAt");
    }
}

// 0 is never.
void compare_unlock_recent(Teller& t, std::uint32_t was, std::uint32_t is) {
    const auto words = [](std::uint32_t ms) {
        return ms == 0 ? "never" : fmt::format("within {} of its secret", time_words(ms));
    };
    if (was != is)
        t.say(unlock, turn_of(was, is), Danger::serious, "session/unlockRecent",
              fmt::format("a fingerprint lets {} go on {}, instead of {}", t.m, words(is),
                          words(was)),
              "session/unlockRecent");
}

// 0 is never.
void compare_erasure(Teller& t, std::uint32_t was, std::uint32_t is) {
    const auto words = [](std::uint32_t n) { return n == 0 ? "never" : fmt::format("{}", n); };
    if (was != is)
        t.say(lock, Turn::change, Danger::serious, "session/eraseAfterFailures",
              fmt::format("{} is erased after wrong PINs: {} instead of {}", t.m, words(is),
                          words(was)),
              "session/eraseAfterFailures");
}

std::string_view lock_words(OnLock strength) {
    switch (strength) {
        case OnLock::freeze:
            return "lock freezes {} and leaves everything in memory, the keys of its volumes too";
        case OnLock::suspend:
            return "lock freezes {} and keeps what its processes hold in memory";
        case OnLock::evict:
            break;
    }
    return "lock stops {} and closes its volumes";
}

namespace {

std::string_view telling_words(Notifications tells) {
    constexpr std::string_view kWords[] = {
        "has no notifications", "keeps its notifications to itself",
        "lets others see how many notifications it has", "lets others read its notifications"};
    return kWords[static_cast<std::size_t>(tells)];
}

void compare_session_bus(Teller& t) {
    const Session &a = t.a.profile.session, &b = t.b.profile.session;
    if (a.notifications != b.notifications)
        t.say(session, turn_of(a.notifications, b.notifications),
              std::max(a.notifications, b.notifications) == Notifications::full ? Danger::serious
                                                                                : Danger::slight,
              "session/notifications", fmt::format("{} {}", t.m, telling_words(b.notifications)),
              "session/notifications");
    if (a.idle_inhibit != b.idle_inhibit)
        t.say(session, turn_of(a.idle_inhibit, b.idle_inhibit), Danger::slight,
              "session/idleInhibit",
              fmt::format("{} {} keep the screen on while it is in front", t.m,
                          b.idle_inhibit ? "may" : "may no longer"),
              "session/idleInhibit");
}

}  // namespace

void compare_session(Teller& t) {
    const Profile &a = t.a.profile, &b = t.b.profile;
    if (a.session.autostart != b.session.autostart)
        t.say(session, turn_of(a.session.autostart, b.session.autostart), Danger::slight,
              "session/autostart",
              fmt::format("{} {} when pmosd starts", t.m,
                          b.session.autostart ? "starts" : "no longer starts"),
              "session/autostart");
    constexpr std::string_view kLives = "freeze|throttle|run";
    const auto lives = split_list(kLives);
    const auto was = t.a.text("session/background"), is = t.b.text("session/background");
    const auto rank = [&](const std::string& word) {
        return std::ranges::find(lives, word) - lives.begin();
    };
    if (was != is)
        t.say(session, turn_of(rank(was), rank(is)), Danger::moderate, "session/background",
              fmt::format("{} is for the background '{}' instead of '{}'", t.m, is, was),
              "session/background");
    if (const auto from = a.session.on_lock, to = b.session.on_lock; from != to)
        t.say(lock, turn_of(to, from), Danger::serious, "session/onLock",
              fmt::format(fmt::runtime(lock_words(to)), t.m), "session/onLock");
    compare_lock_time(t, "session/lockAfter", "locks by itself", a.session.lock_after_ms,
                      b.session.lock_after_ms);
    compare_lock_time(t, "session/evictAfter", "is evicted by itself", a.session.evict_after_ms,
                      b.session.evict_after_ms);
    compare_lock_moments(t);
    compare_unlock_recent(t, a.session.fingerprint_within_ms, b.session.fingerprint_within_ms);
    compare_erasure(t, a.session.erase_after_failures, b.session.erase_after_failures);
    compare_session_bus(t);
    if (a.session.stop_timeout_ms != b.session.stop_timeout_ms)
        t.say(session, Turn::change, Danger::none, "session/stopTimeout",
              fmt::format("{} has {} to stop instead of {}", t.m,
                          time_words(b.session.stop_timeout_ms),
                          time_words(a.session.stop_timeout_ms)),
              "session/stopTimeout");
}

void compare_hooks(Teller& t) {
    for (std::size_t i = 0; i < split_list(kHookPointNames).size(); ++i)
        compare_hook_point(t, static_cast<HookPoint>(i));
}

}  // namespace pmos::policy
