// policy: how exposed a mode is, as a short table. A measure to compare by, no proof of anything.
#include "policy/score.h"

#include <fmt/format.h>
#include <linux/landlock.h>
#include <linux/mount.h>

#include <algorithm>

#include "policy/lint.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

using image::MountKind;

class Scorer {
  public:
    Scorer(const Profile& profile, const LaunchPlan& plan) : p_(profile), plan_(plan) {}

    Score take() {
        calls();
        capabilities();
        devices();
        network();
        files();
        execution();
        data();
        limits();
        life();
        return std::move(score_);
    }

  private:
    void row(std::string_view what, std::string state, unsigned points, unsigned most,
             std::string_view key) {
        points = std::min(points, most);
        score_.rows.push_back({what, std::move(state), points, most, p_.where(key)});
        score_.points += points;
        score_.most += most;
    }
    void calls();
    void capabilities();
    void devices();
    void network();
    void files();
    void execution();
    void data();
    void limits();
    void life();

    const Profile& p_;
    const LaunchPlan& plan_;
    Score score_;
};

void Scorer::calls() {
    const auto names = expand_syscalls(p_.seccomp_allow);
    std::vector<Diagnostic> found;
    lint_seccomp(p_, found);
    const auto count = [&](Rule rule) {
        return static_cast<unsigned>(std::ranges::count(found, rule, &Diagnostic::rule));
    };
    const unsigned bad = count(Rule::dangerous_syscalls), open = count(Rule::guard_overridden);
    row("system calls",
        fmt::format("{} allowed, {} dangerous grants, {} guards overridden", names.size(), bad,
                    open),
        (names.size() > 250   ? 3U
         : names.size() > 120 ? 2U
                              : 1U) +
            4 * bad + 4 * open,
        15, "seccomp/allow");
}

void Scorer::capabilities() {
    std::vector<std::string_view> names;
    for (const auto& entry : capability_names())
        if ((plan_.process.capabilities.bounding >> entry.value & 1U) != 0)
            names.push_back(entry.name);
    const bool admin = std::ranges::find(names, "CAP_SYS_ADMIN") != names.end();
    row("capabilities", names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")),
        static_cast<unsigned>(names.size()) + (admin ? 8 : 0), 10, "process/capabilities");
}

void Scorer::devices() {
    std::vector<std::string> granted;
    unsigned points = 0;
    for (const auto& [device_class, right] : p_.devices) {
        if (right == "none") continue;
        granted.push_back(fmt::format("{} ({})", device_class, right));
        points += unarbitrated(p_, device_class).empty() ? 2 : 4;
    }
    row("devices", granted.empty() ? "none" : fmt::format("{}", fmt::join(granted, ", ")), points,
        15, "devices");
}

// The more it can reach and be reached: a list of what is allowed bounds it.
void Scorer::network() {
    const auto& network = plan_.network;
    constexpr unsigned kPoints[] = {0, 1, 10, 4};  // as Zone
    unsigned points = kPoints[static_cast<std::size_t>(network.zone)];
    std::string state(word_at(kZoneNames, network.zone));
    if (network.restricted) {
        points = network.zone == Zone::direct ? 6 : 3;
        state += fmt::format(", {} destinations", network.allow.size());
    }
    if (!network.inbound.empty()) {
        points += 2;
        state += ", others connect to it";
    }
    row("network", std::move(state), points, 10, "network");
}

void Scorer::files() {
    unsigned shown = 0, writable = 0;
    for (const auto& op : plan_.mounts) {
        if (op.kind != MountKind::bind || is_brokers(op)) continue;
        ++shown;
        if ((op.attributes & MOUNT_ATTR_RDONLY) == 0) ++writable;
    }
    row("the host's files", fmt::format("{} directories, {} writable", shown, writable),
        2 * shown + 4 * writable, 10, "mounts");
}

void Scorer::execution() {
    unsigned both = 0;
    for (const auto& op : plan_.mounts) {
        const bool store = op.kind == MountKind::volume || op.kind == MountKind::bind ||
                           (op.kind == MountKind::filesystem && op.source == "tmpfs");
        if (store && (op.attributes & (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC)) == 0) ++both;
    }
    const bool anywhere = has_word(p_.landlock_execute, "/");
    row("execution",
        fmt::format("{} places writable and executable, Landlock {}", both,
                    plan_.landlock_handled == 0 ? "absent"
                    : anywhere                  ? "admits all of the image"
                                                : "admits some directories"),
        5 * both + (plan_.landlock_handled == 0 ? 3
                    : anywhere                  ? 1
                                                : 0),
        10, "landlock/execute");
    const bool confined = !plan_.apparmor.empty() && plan_.apparmor != "unconfined";
    row("AppArmor", plan_.apparmor.empty() ? "absent" : plan_.apparmor, confined ? 0 : 4, 4,
        "lsm/apparmor");
}

void Scorer::data() {
    if (plan_.volumes.empty()) return row("data", "keeps none", 0, 10, "volumes");
    unsigned alone = 0;
    for (const auto& v : plan_.volumes)
        if (asks_nobody(v.key_source)) ++alone;
    row("data",
        fmt::format("{} encrypted, {} of them open with nobody there", plan_.volumes.size(), alone),
        6 * alone, 10, "volumes");
}

void Scorer::limits() {
    unsigned missing = 0;
    for (const std::string_view file : {"memory.max", "pids.max"})
        if (std::ranges::find(p_.limits, file, &LimitSpec::file) == p_.limits.end()) ++missing;
    row("limits",
        missing == 0 ? "memory and processes are bounded"
                     : fmt::format("{} of memory and processes is not bounded", missing),
        3 * missing, 6, "resources");
}

void Scorer::life() {
    constexpr std::array kLives{std::pair{"frozen", 0U}, std::pair{"runs", 4U},
                                std::pair{"runs on throttled", 3U}};  // as Background
    const auto [words, points] = kLives[static_cast<std::size_t>(plan_.session.background)];
    row("background", words, points, 4, "session/background");
    constexpr std::array kTells{std::pair{"has none", 0U}, std::pair{"keeps them to itself", 0U},
                                std::pair{"others see how many", 1U},
                                std::pair{"others read them", 3U}};  // as Notifications
    const auto [told, weight] = kTells[static_cast<std::size_t>(plan_.session.notifications)];
    row("notifications", told, weight, 3, "session/notifications");
    row("hooks", fmt::format("{} programs of the host", plan_.hooks.size()),
        static_cast<unsigned>(plan_.hooks.size()), 6, "hooks");
}

}  // namespace

double Score::of_ten() const { return most == 0 ? 0 : 10.0 * points / most; }

std::string_view Score::word() const {
    return of_ten() < 2 ? "low" : of_ten() < 5 ? "medium" : "high";
}

Score score(const Profile& profile, const LaunchPlan& plan) { return Scorer(profile, plan).take(); }

}  // namespace pmos::policy
