// cli: the questions of policy tests, put to the kernel of this phone.
#include "cli/on_device.h"

#include <fmt/format.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/mode_info.h"
#include "cli/this_arch.h"
#include "cli/trial.h"

namespace pmos::cli {
namespace {

using policy::Ruling;
using policy::Topic;

DeviceResult not_tried(std::string why) { return {DeviceVerdict::not_tried, std::move(why)}; }

DeviceResult compared(bool agrees, std::string says) {
    return {agrees ? DeviceVerdict::agrees : DeviceVerdict::disagrees, std::move(says)};
}

// The answer that a filter's verdict leads to.
std::string judged(std::uint32_t verdict) {
    const std::uint32_t action = verdict & SECCOMP_RET_ACTION_FULL;
    if (action == SECCOMP_RET_ALLOW) return "ok 0";
    if (action == SECCOMP_RET_ERRNO)
        return fmt::format("errno {} judge", verdict & SECCOMP_RET_DATA);
    return "killed 31";
}

class OnDevice {
  public:
    OnDevice(BusClient& bus, const PolicyTests& tests, const std::vector<std::string>& asked)
        : bus_(bus), tests_(tests), asked_(asked), facts_(policy::whole_phone()) {}

    Result<> run(std::vector<Judged>& results);

  private:
    Result<> learn();
    Result<> bring_forward(const std::string& mode);
    Result<DeviceResult> try_one(const policy::TestCase& test);
    Result<DeviceResult> try_running(const policy::TestCase& test, Trial& trial);
    Result<DeviceResult> try_call(const policy::TestCase& test, Trial& trial);
    Result<DeviceResult> try_device(const policy::TestCase& test, Trial& trial);
    std::string front_for(const policy::TestCase& test) const {
        return test.query.foreground.empty() ? test.mode : test.query.foreground;
    }
    // Why nothing can be tried in it; "" where it runs as its profile says.
    std::string away(const std::string& mode) const;
    bool is_asked(const std::string& mode) const {
        return asked_.empty() || std::ranges::find(asked_, mode) != asked_.end();
    }

    BusClient& bus_;
    const PolicyTests& tests_;
    const std::vector<std::string>& asked_;
    policy::HostFacts facts_;
    std::map<std::string, ModeInfo> modes_;
    std::map<std::string, std::set<std::string>> nodes_;  // by class, those that any mode has
    std::string front_, front_before_;
    std::map<std::string, Trial> trials_;  // of modes that run now
};

Result<> OnDevice::learn() {
    PMOS_ASSIGN(const policy::Arch* arch, this_arch());
    facts_.arch = arch->name;
    PMOS_ASSIGN(const auto modes, read_modes(bus_));
    for (const auto& mode : modes) {
        modes_[mode.name] = mode;
        if (mode.foreground) front_ = front_before_ = mode.name;
        PMOS_ASSIGN(const auto answer, bus_.call(mode_address(mode.name), "Inspect"));
        PMOS_ASSIGN(const auto text, read_string(answer));
        const auto json = nlohmann::json::parse(text, nullptr, false);
        if (json.is_discarded()) continue;
        const auto plan = json.contains("plan") ? json["plan"] : json;
        if (!plan.contains("deviceNodes")) continue;
        for (const auto& node : plan["deviceNodes"])
            if (node.contains("class")) nodes_[node["class"]].insert(node["path"]);
    }
    return {};
}

std::string OnDevice::away(const std::string& mode) const {
    const auto it = modes_.find(mode);
    if (it == modes_.end()) return "this phone has no such mode";
    const ModeInfo& m = it->second;
    if (m.recording) return "it is being recorded, and its filter asks instead of refusing";
    if (m.state == "running" || m.state == "frozen") return "";
    return m.locked ? "it is locked" : fmt::format("it is {}", m.state);
}

Result<> OnDevice::bring_forward(const std::string& mode) {
    if (front_ == mode) return {};
    trials_.clear();  // who is frozen answers no more
    PMOS_TRY(bus_.call(manager(), "Switch", "s", mode.c_str()));
    front_ = mode;
    return {};
}

Result<DeviceResult> OnDevice::try_call(const policy::TestCase& test, Trial& trial) {
    PMOS_ASSIGN(const auto mode, find_mode(tests_.policy, test.mode));
    const auto plan = policy::intended_plan(*mode.profile, facts_);
    std::string says;
    bool agrees = true;
    for (const auto& one :
         policy::call_cases({*mode.profile, plan, facts_, nullptr}, test.query.question)) {
        // The sixth argument is the mark of a call that is only judged.
        if (one.words.contains("argument 5")) return not_tried("a rule asks for argument 5");
        std::string line = "judge " + test.query.question.what;
        for (const auto arg : std::span(one.args).first(5)) line += fmt::format(" {:#x}", arg);
        PMOS_ASSIGN(const auto answer, trial.ask(line));
        agrees = agrees && answer == judged(one.verdict);
        says += fmt::format("{}{}: {} (by the profile: {})", says.empty() ? "" : "; ", one.words,
                            answer, judged(one.verdict));
    }
    if (says.empty()) return not_tried("this architecture has no such call");
    return compared(agrees, std::move(says));
}

Result<DeviceResult> OnDevice::try_device(const policy::TestCase& test, Trial& trial) {
    const auto& q = test.query.question;
    const auto nodes = nodes_.find(q.what);
    if (nodes == nodes_.end())
        return not_tried(fmt::format("no mode of this phone has a node of {}", q.what));
    PMOS_ASSIGN(const auto mode, find_mode(tests_.policy, test.mode));
    const auto has = mode.profile->devices.find(q.what);
    if (test.answer.ruling == Ruling::refused && has != mode.profile->devices.end() &&
        has->second != "none")
        return not_tried(fmt::format("the mode has '{}' of {}", has->second, q.what));
    std::string says;
    bool agrees = true;
    for (const auto& node : nodes->second) {
        PMOS_ASSIGN(const auto answer, trial.ask("open /dev/" + node));
        agrees = agrees && ruling_of(q, test.answer, answer) == test.answer.ruling;
        says += fmt::format("{}/dev/{}: {}", says.empty() ? "" : ", ", node, answer);
    }
    return compared(agrees, std::move(says));
}

Result<DeviceResult> OnDevice::try_running(const policy::TestCase& test, Trial& trial) {
    const auto& q = test.query.question;
    if (q.topic == Topic::syscall) return try_call(test, trial);
    if (q.topic == Topic::device) return try_device(test, trial);
    const auto attempt = attempt_for(q);
    if (attempt.empty()) return not_tried("it cannot be tried from inside a mode");
    PMOS_ASSIGN(const auto answer, trial.ask(attempt));
    const auto ruling = ruling_of(q, test.answer, answer);
    if (!ruling) return not_tried(answer);
    return compared(*ruling == test.answer.ruling, answer);
}

Result<DeviceResult> OnDevice::try_one(const policy::TestCase& test) {
    if (test.answer.rule.empty()) return not_tried("the evaluator has no answer");
    if (test.query.question.topic == Topic::hears)
        return not_tried("flows take two modes; see docs/separation.md");
    if (test.outcome == policy::Outcome::pending) return not_tried(test.note);
    const auto front = front_for(test);
    if (test.query.locked) {
        // To run and to be locked are two runs of these tests; neither is the whole.
        const auto it = modes_.find(test.mode);
        if (it == modes_.end() || !it->second.locked) return not_tried("the mode is not locked");
    } else {
        for (const auto& mode : {test.mode, front})
            if (auto why = away(mode); !why.empty())
                return DeviceResult{
                    is_asked(mode) ? DeviceVerdict::not_up : DeviceVerdict::left_out,
                    std::move(why), mode};
        PMOS_TRY(bring_forward(front));
    }
    auto trial = trials_.find(test.mode);
    if (trial == trials_.end()) {
        auto started = Trial::start(bus_, test.mode);
        if (!started) {
            const auto code = started.error().code;
            if (code == Code::frozen || code == Code::not_running || code == Code::locked)
                return compared(test.answer.ruling == Ruling::refused, started.error().what);
            return fail(std::move(started.error()));
        }
        trial = trials_.emplace(test.mode, std::move(*started)).first;
    }
    return try_running(test, trial->second);
}

Result<> OnDevice::run(std::vector<Judged>& results) {
    PMOS_TRY(learn());
    // Of one mode in the foreground after the other, so that each comes forward once.
    std::vector<Judged*> order;
    for (auto& r : results) order.push_back(&r);
    std::ranges::stable_sort(order, {}, [&](const Judged* r) { return front_for(r->test); });
    Result<> outcome;
    for (Judged* r : order) {
        auto result = try_one(r->test);
        if (!result) {
            outcome = fail(std::move(result.error()));
            break;
        }
        r->device = std::move(*result);
    }
    trials_.clear();
    if (front_ != front_before_)
        if (auto back = bus_.call(manager(), "Switch", "s", front_before_.c_str());
            !back && outcome)
            outcome = fail(std::move(back.error()));
    return outcome;
}

}  // namespace

Result<> try_on_device(BusClient& bus, const PolicyTests& tests,
                       const std::vector<std::string>& asked, std::vector<Judged>& results) {
    return OnDevice(bus, tests, asked).run(results);
}

}  // namespace pmos::cli
