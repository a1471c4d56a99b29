// tests: every rule has an id, words and, where a profile can show it, an example that shows it.
#include "policy/rules.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "policy/profile.h"
#include "policy/separation.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

const std::string kBase =
    R"({"pmos": 1, "root": {"image": "x.erofs"}, "process": {"args": ["/bin/true"]},
        "seccomp": {"allow": ["@system-service"]}, "network": "none",
        "identity": {"uidRange": {"start": 200000, "count": 65536}}})";

pmos::Result<std::string> read_base(const std::string& path) {
    if (path != "base.json") return pmos::fail(pmos::Code::not_found, "no such file");
    return kBase;
}

SourceFile with(const RuleInfo& rule, const std::string& mode, const std::string& rest) {
    // The mode's name in the example wins over ours, and so does its list of blocks.
    std::string text = "{\"pmos\": 1, ";
    if (!rule.example.starts_with("\"mode\"")) text += "\"mode\": \"" + mode + "\", ";
    if (!rule.example.starts_with("\"extends\"")) text += "\"extends\": [\"base.json\"], ";
    for (const auto& part : {rest, std::string(rule.example)})
        if (!part.empty()) text += part + ", ";
    text.resize(text.size() - 2);
    return {mode + ".json", text + "}"};
}

std::vector<Diagnostic> all_of(const PolicySet& set) {
    std::vector<Diagnostic> all = set.diagnostics;
    const auto flows = flow_findings(separate(set.modes, whole_phone(), nullptr));
    all.insert(all.end(), flows.begin(), flows.end());
    for (const auto& mode : set.modes) {
        all.insert(all.end(), mode.diagnostics.begin(), mode.diagnostics.end());
        if (!mode.profile) continue;
        // A phone that has little.
        HostFacts facts;
        facts.filesystems = {"erofs", "ext4"};
        facts.cgroup_v2 = true;
        const auto found = compile(*mode.profile, facts).diagnostics;
        all.insert(all.end(), found.begin(), found.end());
    }
    return all;
}

std::vector<Diagnostic> findings_of(const RuleInfo& rule) {
    const SourceFile site{"site.json",
                          R"({"pmos": 1, "require": [{"network": ["none", "tunnel"]}]})"};
    const std::vector<SourceFile> alone{with(rule, "alpha", "")};
    auto found = all_of(read_policy(alone, &site, read_base));
    // Of a pair, the second differs where profiles must.
    const bool own_ids = rule.example.contains("identity"),
               own_image = rule.example.contains("root");
    const std::vector<SourceFile> pair{
        with(rule, "alpha", own_image ? "" : R"("root": {"image": "a.erofs"})"),
        with(
            rule, "beta",
            std::string(own_image ? "" : R"("root": {"image": "b.erofs"})") +
                (own_ids || own_image ? "" : ", ") +
                (own_ids ? "" : R"("identity": {"uidRange": {"start": 400000, "count": 65536}})"))};
    const auto between = all_of(read_policy(pair, &site, read_base));
    found.insert(found.end(), between.begin(), between.end());
    return found;
}

}  // namespace

TEST_CASE("every rule has a stable id and words") {
    std::set<std::string_view> ids;
    for (const auto& rule : rules()) {
        INFO(rule.id);
        CHECK(ids.insert(rule.id).second);
        CHECK(rule.id.find_first_not_of("abcdefghijklmnopqrstuvwxyz8-") == std::string_view::npos);
        CHECK_FALSE(rule.title.empty());
        CHECK(rule.why.ends_with('.'));
        CHECK(find_rule(rule.id) == &rule);
        CHECK(rule_id(rule.rule) == rule.id);
    }
    CHECK(find_rule("no-such-rule") == nullptr);
}

TEST_CASE("the example of every rule shows it, with its severity and its place") {
    // What one profile cannot show: the bytes of a file, blocks, files that are not there.
    const std::set<std::string_view> without{
        "invalid-utf8",       "too-deep",          "too-large",     "unreadable-profile",
        "no-site-policy",     "extends-cycle",     "mode-in-block", "unreadable-site-policy",
        "site-policy-broken", "no-time-namespace", "missing-pin"};
    for (const auto& rule : rules()) {
        INFO(rule.id << ": " << rule.example);
        CHECK(rule.example.empty() == without.contains(rule.id));
        if (rule.example.empty()) continue;
        const auto found = findings_of(rule);
        std::string texts;
        for (const auto& d : found) texts += to_text(d) + "\n";
        INFO(texts);
        const auto it = std::ranges::find(found, rule.rule, &Diagnostic::rule);
        REQUIRE(it != found.end());
        CHECK(it->severity == rule.severity);
        CHECK(it->at.line > 0);
        CHECK_FALSE(it->message.empty());
        CHECK(it->message.back() != '.');
    }
}
