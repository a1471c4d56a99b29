// tests: what a recording proposes is a profile that allows what was seen, and no more than it
// says.
#include "policy/proposal.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "policy/site_policy.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

const Arch& arch() { return *find_arch("x86_64"); }

std::string profile_with(const std::string& seccomp, const std::string& extra = "") {
    std::string text = profile_text("alpha", 200000, extra);
    const std::string list = R"("seccomp": {"allow": ["@default"]})";
    return text.replace(text.find(list), list.size(), seccomp);
}

Proposal proposed(const std::string& text, const std::vector<Need>& needs, const Files& files = {},
                  const std::set<std::string>& never = {}) {
    const auto mode = read_one(text, files);
    INFO(texts(mode.diagnostics));
    REQUIRE(mode.profile != nullptr);
    return propose(*mode.profile, arch(), text, needs, never);
}

// The system calls that a text admits, which must be a sound profile.
std::set<std::string> admitted(const std::string& text, const Files& files = {}) {
    const auto mode = read_one(text, files);
    INFO(text << texts(mode.diagnostics));
    REQUIRE(mode.profile != nullptr);
    return expand_syscalls(mode.profile->seccomp_allow);
}

std::vector<Need> calls(std::initializer_list<const char*> names) {
    std::vector<Need> needs;
    for (const char* name : names) needs.push_back({"seccomp/allow", name});
    return needs;
}

}  // namespace

TEST_CASE("what was seen is added to the profile's own list") {
    const std::string text = profile_with("\"seccomp\": {\"allow\": [\"@default\"]} /* mine */");
    const auto proposal = proposed(text, calls({"openat", "sysinfo"}));
    CHECK(proposal.text.find(R"({"allow": ["@default", "openat", "sysinfo"]} /* mine */)") !=
          std::string::npos);
    CHECK(proposal.fragment.find(R"(["@default", "openat", "sysinfo"])") != std::string::npos);
    const auto names = admitted(proposal.text);
    CHECK(names.contains("openat"));
    CHECK_FALSE(names.contains("open"));
    CHECK(proposed(text, {}).empty());
}

TEST_CASE("a group stands for its members where it is nearly wholly used") {
    std::vector<std::string> besides;
    std::set<std::string> never;
    const auto grouped = [&](std::set<std::string> used, std::set<std::string> allowed = {}) {
        besides.clear();
        return grouped_syscalls(arch(), used, allowed, never, besides);
    };
    using List = std::vector<std::string>;
    CHECK(grouped({"pkey_alloc", "pkey_free", "pkey_mprotect"}) == List{"@pkey"});
    CHECK(besides.empty());
    // Two of three are too few, three of four are not.
    CHECK(grouped({"pkey_alloc", "pkey_free"}) == List{"pkey_alloc", "pkey_free"});
    CHECK(grouped({"chown", "fchown", "fchownat", "sync"}) == List{"@chown", "sync"});
    REQUIRE(besides.size() == 1);
    CHECK(besides[0] == "@chown brings besides: lchown");
    // What is allowed already counts, and one new call makes no group.
    CHECK(grouped({"pkey_free", "pkey_mprotect"}, {"pkey_alloc"}) == List{"@pkey"});
    CHECK(grouped({"pkey_free"}, {"pkey_alloc", "pkey_mprotect"}) == List{"pkey_free"});
    // A group that defeats the walls is never proposed, whatever was seen of it.
    CHECK(grouped({"setns", "unshare"}) == List{"setns", "unshare"});
    // Nor one of which the owner of the phone refuses a member, though all else of it was used.
    never = {"lchown"};
    CHECK(grouped({"chown", "fchown", "fchownat", "sync"}) ==
          List{"chown", "fchown", "fchownat", "sync"});
    CHECK(besides.empty());
}

TEST_CASE("what the site policy refuses is in no proposal") {
    const std::string text = profile_with(R"("seccomp": {"allow": ["read"]})");
    std::set<std::string> never{"pkey_free", "lchown", "nanosleep"};
    const auto proposal = proposed(text,
                                   calls({"pkey_alloc", "pkey_free", "pkey_mprotect", "chown",
                                          "fchown", "fchownat", "openat"}),
                                   {}, never);
    INFO(proposal.text);
    const auto names = admitted(proposal.text);
    for (const auto& name : never) CHECK_FALSE(names.contains(name));
    for (const char* name : {"pkey_alloc", "pkey_mprotect", "chown", "openat", "exit_group"})
        CHECK(names.contains(name));
    CHECK(std::ranges::count(proposal.notes,
                             "pkey_free is not proposed: the site policy refuses it") == 1);
    // Of nothing but that, nothing is left.
    CHECK(proposed(text, calls({"pkey_free"}), {}, never).empty());
}

TEST_CASE("what ends a program is in every proposal") {
    const auto proposal =
        proposed(profile_with(R"("seccomp": {"allow": ["read"]})"), calls({"openat"}));
    const auto names = admitted(proposal.text);
    for (const char* name : {"exit", "exit_group", "rt_sigreturn", "restart_syscall"})
        CHECK(names.contains(name));
}

TEST_CASE("a list that a block holds is written out in the profile") {
    const Files files{
        {{"blocks/calls.json", R"({"pmos": 1, "seccomp": {"allow": ["@default", "@basic-io"]}})"}}};
    const std::string extends = R"(, "extends": ["blocks/calls.json"])";
    const std::string own =
        GENERATE(std::string(R"("landlock": {})"), std::string(R"("seccomp": {"rules": []})"),
                 std::string(R"("seccomp": {})"));
    const std::string text = profile_with(own, extends);
    const auto proposal = proposed(text, calls({"sysinfo"}), files);
    INFO(proposal.text);
    const auto names = admitted(proposal.text, files);
    CHECK(names.contains("pwrite64"));
    CHECK(names.contains("sysinfo"));
    REQUIRE(proposal.notes.size() == 1);
    CHECK(proposal.notes[0].find("blocks/calls.json") != std::string::npos);
}

TEST_CASE("devices are granted by class") {
    const std::vector<Need> gpu{{"devices/gpu", "render"}};
    const std::string extra = GENERATE(std::string(), std::string(R"(, "devices": {})"),
                                       std::string(R"(, "devices": {"gpu": "none"})"),
                                       std::string(R"(, "devices": {"camera": "none"})"));
    const auto proposal = proposed(profile_text("alpha", 200000, extra), gpu);
    INFO(proposal.text);
    const auto mode = read_one(proposal.text);
    REQUIRE(mode.profile != nullptr);
    CHECK(mode.profile->devices.at("gpu") == "render");
}

TEST_CASE("the site policy says who is not recorded, and what no recording lets through") {
    std::vector<Diagnostic> faults;
    const auto site = read_site_policy({"site.json", R"({"pmos": 1, "require": [
            {"modes": ["secure"], "production": true},
            {"modes": ["open"], "production": false},
            {"syscalls": {"never": ["@pkey", "sync"]}},
            {"modes": ["secure"], "execOnlyFromRoot": true}]})"},
                                       faults);
    REQUIRE(site.has_value());
    REQUIRE(production_mark(*site, "secure") != nullptr);
    CHECK(production_mark(*site, "secure")->at.pointer == "/require/0/production");
    CHECK(production_mark(*site, "open") == nullptr);
    CHECK(production_mark(*site, "other") == nullptr);
    CHECK(refused_syscalls(*site, "open") ==
          std::set<std::string>{"pkey_alloc", "pkey_free", "pkey_mprotect", "sync"});
    CHECK(refused_syscalls(*site, "secure").contains("memfd_create"));
}
