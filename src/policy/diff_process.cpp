// policy: diff: the first process of a mode, its ids, capabilities and limits. Asks no host.
#include <fmt/format.h>
#include <sys/resource.h>

#include <map>
#include <optional>

#include "policy/diff_parts.h"
#include "policy/lint.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

using enum ChangeKind;

std::string quoted(const std::string& text) { return "'" + shown(text) + "'"; }

std::string list_words(const std::vector<std::string>& texts) {
    return quoted(fmt::format("{}", fmt::join(texts, " ")));
}

// A value of which neither is the wider one.
void compare_text(Teller& t, ChangeKind kind, Danger weight, std::string_view key,
                  std::string_view noun, const std::string& a, const std::string& b) {
    if (a == b) return;
    t.say(kind, Turn::change, weight, std::string(key),
          fmt::format("{}'s {} is {} instead of {}", t.m, noun, quoted(b), quoted(a)), key);
}

void compare_environment(Teller& t) {
    const auto split = [](const std::vector<std::string>& env) {
        std::map<std::string, std::string> out;
        for (const auto& entry : env)
            out[entry.substr(0, entry.find('='))] = entry.substr(entry.find('=') + 1);
        return out;
    };
    const auto a = split(t.a.profile.process.env), b = split(t.b.profile.process.env);
    std::set<std::string> names;
    for (const auto* side : {&a, &b})
        for (const auto& [name, value] : *side) names.insert(name);
    for (const auto& name : names) {
        const auto was = a.find(name), is = b.find(name);
        if (was != a.end() && is != b.end() && was->second == is->second) continue;
        const auto value = [&](auto it, const auto& side) {
            return it == side.end() ? std::string("not set") : quoted(it->second);
        };
        t.say(process, Turn::change, Danger::none, name,
              fmt::format("{}'s variable {} is {} instead of {}", t.m, name, value(is, b),
                          value(was, a)),
              "process/env");
    }
}

// Root inside is the one who may use the mode's capabilities on everybody's behalf.
void compare_id(Teller& t, std::string_view noun, std::string_view key, std::uint32_t a,
                std::uint32_t b) {
    if (a == b) return;
    const Turn turn = b == 0 ? Turn::gain : a == 0 ? Turn::loss : Turn::change;
    t.say(user, turn, b == 0 ? Danger::moderate : Danger::slight, std::string(key),
          fmt::format("{} runs as {} {} inside instead of {}", t.m, noun, b, a), key);
}

void compare_ids(Teller& t) {
    const Process &a = t.a.profile.process, &b = t.b.profile.process;
    compare_id(t, "user", "process/user/uid", a.uid, b.uid);
    compare_id(t, "group", "process/user/gid", a.gid, b.gid);
    const std::set<std::uint32_t> was(a.additional_gids.begin(), a.additional_gids.end()),
        is(b.additional_gids.begin(), b.additional_gids.end());
    for (const auto& [turn, from, to] :
         {std::tuple(Turn::gain, &was, &is), std::tuple(Turn::loss, &is, &was)})
        for (const auto gid : *to)
            if (!from->contains(gid))
                t.say(user, turn, Danger::slight, fmt::format("group {}", gid),
                      fmt::format("{} is {} in group {} inside", t.m,
                                  pick(turn, "also", "no longer"), gid),
                      "process/user/additionalGids");
    if (a.umask != b.umask) {
        const Turn turn = (b.umask & ~a.umask) == 0   ? Turn::gain
                          : (a.umask & ~b.umask) == 0 ? Turn::loss
                                                      : Turn::change;
        t.say(user, turn, Danger::slight, "umask",
              fmt::format("{}'s umask is {:03o} instead of {:03o}", t.m, b.umask, a.umask),
              "process/user/umask");
    }
    const Profile &p = t.a.profile, &q = t.b.profile;
    if (p.id_start != q.id_start || p.id_count != q.id_count)
        t.say(user, p.id_start == q.id_start ? turn_of(p.id_count, q.id_count) : Turn::change,
              Danger::slight, "identity/uidRange",
              fmt::format("{}'s ids outside are {} to {} instead of {} to {}", t.m, q.id_start,
                          std::uint64_t{q.id_start} + q.id_count - 1, p.id_start,
                          std::uint64_t{p.id_start} + p.id_count - 1),
              "identity/uidRange");
}

void compare_capabilities(Teller& t) {
    const auto place = [](const Half& half, std::string_view name) {
        const Node* list = half.profile.source.at_path("process/capabilities");
        if (list != nullptr)
            for (const auto& item : list->items)
                if (item.text == name) return item.at;
        return half.where("process/capabilities");
    };
    const auto a = t.a.plan.process.capabilities.bounding,
               b = t.b.plan.process.capabilities.bounding;
    for (const auto& [name, bit] : capability_names()) {
        const bool was = (a >> bit & 1U) != 0, is = (b >> bit & 1U) != 0;
        if (was == is) continue;
        const Turn turn = turn_of(was, is);
        const bool idle = idle_capability(name);
        t.say(capability, turn,
              weakens_walls_capability(name) ? Danger::severe
              : idle                         ? Danger::slight
                                             : Danger::serious,
              std::string(name),
              fmt::format("{} {} {}{}", t.m, pick(turn, "gains", "loses"), name,
                          idle ? ", which does nothing in a mode" : " in its user namespace"),
              place(t.a, name), place(t.b, name));
    }
}

std::string rlimit_words(const std::optional<Rlimit>& limit) {
    const auto one = [](std::uint64_t n) {
        return n == RLIM_INFINITY ? std::string("unlimited") : std::to_string(n);
    };
    if (!limit) return "the phone's own";
    if (limit->soft == limit->hard) return one(limit->hard);
    return fmt::format("{} (hard {})", one(limit->soft), one(limit->hard));
}

void compare_rlimits(Teller& t) {
    const auto of = [](const Half& half, std::uint64_t resource) -> std::optional<Rlimit> {
        for (const auto& limit : half.plan.process.rlimits)
            if (limit.resource == resource) return limit;
        return {};
    };
    for (const auto& [name, resource] : rlimit_names()) {
        const auto a = of(t.a, resource), b = of(t.b, resource);
        if (!a && !b) continue;
        if (a && b && a->soft == b->soft && a->hard == b->hard) continue;
        // Without one the phone's holds, which is as good as none.
        constexpr std::uint64_t kNone = RLIM_INFINITY;
        const auto hard = turn_of(a ? a->hard : kNone, b ? b->hard : kNone);
        const auto soft = turn_of(a ? a->soft : kNone, b ? b->soft : kNone);
        t.say(limit, hard != Turn::change ? hard : soft, Danger::slight, std::string(name),
              fmt::format("{}'s limit {} is {} instead of {}", t.m, name, rlimit_words(b),
                          rlimit_words(a)),
              fmt::format("process/rlimits/{}", name));
    }
}

}  // namespace

void compare_process(Teller& t) {
    const Process &a = t.a.profile.process, &b = t.b.profile.process;
    if (a.args != b.args)
        t.say(process, Turn::change, Danger::slight, "process/args",
              fmt::format("{} runs {} instead of {}", t.m, list_words(b.args), list_words(a.args)),
              "process/args");
    compare_environment(t);
    compare_text(t, process, Danger::none, "process/cwd", "working directory", a.cwd, b.cwd);
    compare_text(t, process, Danger::none, "process/hostname", "host name", t.a.profile.hostname,
                 t.b.profile.hostname);
    compare_ids(t);
}

void compare_rights(Teller& t) {
    compare_capabilities(t);
    compare_rlimits(t);
    const auto a = t.a.profile.process.oom_score_adj, b = t.b.profile.process.oom_score_adj;
    if (a != b)
        t.say(limit, b < a ? Turn::gain : Turn::loss, Danger::slight, "process/oomScoreAdj",
              fmt::format("{} is killed {} when memory runs out (oom_score_adj {} instead of {})",
                          t.m, b < a ? "later" : "sooner", b, a),
              "process/oomScoreAdj");
}

}  // namespace pmos::policy
