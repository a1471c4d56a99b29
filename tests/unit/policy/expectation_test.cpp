// tests: expectations beside the profiles: what is read, what is refused with its line, and that
// each of the three outcomes is told from the others.
#include "policy/expectation.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "policy/language.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

std::string file_of(const std::string& expectations) {
    return "{\"pmos\": 1, \"expect\": [" + expectations + "]}";
}

std::vector<Diagnostic> findings(const std::string& expectations,
                                 std::initializer_list<std::string> modes = {"personal",
                                                                             "secure"}) {
    std::vector<ModePolicy> known;
    for (const auto& mode : modes)
        known.push_back({mode, mode + ".json", nullptr, nullptr, {}, {}});
    std::vector<Diagnostic> found;
    CHECK_FALSE(read_expectations({"t.json", file_of(expectations)}, known, found).has_value());
    return found;
}

std::vector<std::string> faults(const std::string& expectations) {
    return rules_of(findings(expectations));
}

struct Run {
    explicit Run(PolicySet the_set, const std::string& expectations) : set(std::move(the_set)) {
        std::vector<Diagnostic> found;
        auto read = read_expectations({"t.json", file_of(expectations)}, set.modes, found);
        INFO(texts(found));
        REQUIRE(read.has_value());
        expected = std::move(*read);
        separation = separate(set.modes, whole_phone(), nullptr);
        tests = run_expectations(expected, set.modes, whole_phone(), separation);
    }
    std::vector<Outcome> outcomes() const {
        std::vector<Outcome> out;
        for (const auto& t : tests) out.push_back(t.outcome);
        return out;
    }
    PolicySet set;
    std::vector<Expectation> expected;
    Separation separation;
    std::vector<TestCase> tests;
};

Run shipped(const std::string& expectations) { return Run(shipped_policy(), expectations); }

Run own(const std::string& extra, const std::string& expectations) {
    const std::vector<SourceFile> files{{"alpha.json", profile_text("alpha", 200000, extra)}};
    return Run(read_policy(files, nullptr, {}), expectations);
}

const std::string kWhy = R"("why": "w", "is": "refused", )";
using Outcomes = std::vector<Outcome>;

}  // namespace

TEST_CASE("faults of expectations are found by rule, at their line") {
    CHECK(faults(R"({"why": "w", "is": "refused"})") == std::vector<std::string>{"missing-key"});
    CHECK(faults("{" + kWhy + R"("syscalls": []})") == std::vector<std::string>{"missing-key"});
    CHECK(faults("{" + kWhy + R"("paths": ["/x"]})") == std::vector<std::string>{"missing-key"});
    CHECK(faults("{" + kWhy + R"("device": "gpu"})") == std::vector<std::string>{"missing-key"});
    CHECK(faults("{" + kWhy + R"("paths": ["/x"], "access": "read", "connect": ["1.2.3.4:5"]})") ==
          std::vector<std::string>{"contradiction"});
    CHECK(faults("{" + kWhy + R"("syscalls": ["read"], "access": "read"})") ==
          std::vector<std::string>{"contradiction"});
    CHECK(faults("{" + kWhy + R"("syscalls": ["@mount"], "args": [1]})") ==
          std::vector<std::string>{"contradiction"});
    CHECK(faults("{" + kWhy + R"("syscalls": ["ptrac"]})") ==
          std::vector<std::string>{"unknown-syscall"});
    CHECK(faults("{" + kWhy + R"("paths": ["x"], "access": "read"})") ==
          std::vector<std::string>{"bad-value"});
    CHECK(faults("{" + kWhy + R"("sycalls": ["read"]})") ==
          std::vector<std::string>{"unknown-key"});
    std::vector<Diagnostic> found;
    CHECK_FALSE(read_expectations({"t.json", "{\n\"pmos\": 1,\n\"expect\": [\n7]}"}, {}, found));
    REQUIRE(found.size() == 1);
    CHECK(found[0].at.line == 4);
    CHECK(found[0].at.pointer == "/expect/0");
}

TEST_CASE("a mode that no profile is of is a fault, wherever it is named") {
    const std::string ask = R"("paths": ["/data"], "access": "read"})";
    const std::string keys[] = {R"("modes": ["secrue"], )", R"("locked": ["secrue"], )",
                                R"("foreground": "secrue", )"};
    for (const auto& key : keys) {
        const auto found = findings("{" + kWhy + key + ask);
        INFO(texts(found));
        REQUIRE(rules_of(found) == std::vector<std::string>{"bad-value"});
        CHECK(found[0].message == "there is no mode 'secrue'");
        CHECK(found[0].fix == "did you mean 'secure'?");
    }
    const auto hears = findings("{" + kWhy + R"("hears": ["other"]})");
    REQUIRE(rules_of(hears) == std::vector<std::string>{"bad-value"});
    CHECK(hears[0].at.pointer == "/expect/0/hears/0");
    CHECK(hears[0].fix == "one of: personal, secure");
}

TEST_CASE("what would be ignored, or ask nobody, is a fault") {
    const std::string hears = R"("hears": ["personal"]})";
    for (const std::string key : {R"("foreground": "secure", )", R"("locked": ["secure"], )"}) {
        const auto found = findings("{" + kWhy + key + hears);
        INFO(texts(found));
        REQUIRE(rules_of(found) == std::vector<std::string>{"contradiction"});
        CHECK(found[0].message.find("says nothing about 'hears'") != std::string::npos);
    }
    // Of itself, though another is in the list.
    const auto self = findings("{" + kWhy + R"("modes": ["secure", "personal"], )" + hears);
    REQUIRE(rules_of(self) == std::vector<std::string>{"contradiction"});
    CHECK(self[0].message == "'personal' is asked whether it hears itself");
    CHECK(rules_of(findings("{" + kWhy + hears, {"personal"})) ==
          std::vector<std::string>{"contradiction"});
    // Without modes every other one is asked.
    const auto all = shipped(R"({"why": "w", "is": "depends", "hears": ["personal", "secure"]})");
    REQUIRE(all.tests.size() == 2);
    CHECK(all.tests[0].mode != all.tests[1].mode);
}

TEST_CASE("an expectation holds or fails for each mode and question, and says by which line") {
    const auto run = shipped("{" + kWhy + R"("syscalls": ["ptrace", "read"]})");
    // Of two modes, in the order of the file.
    CHECK(run.outcomes() ==
          Outcomes{Outcome::passed, Outcome::failed, Outcome::passed, Outcome::failed});
    CHECK(run.tests[1].mode == "personal");
    CHECK(run.tests[1].answer.rule == "seccomp-allowed");
    CHECK(run.tests[1].answer.at.line > 0);
    CHECK(run.tests[1].query.at.pointer == "/expect/0/syscalls/1");
    // What is no question fails, too.
    const auto bad = shipped("{" + kWhy + R"("modes": ["secure"], "device": "gpu", "right": "x"})");
    CHECK(bad.outcomes() == Outcomes{Outcome::failed});
    CHECK(bad.tests[0].note.find("gpu has no right 'x'") != std::string::npos);
}

TEST_CASE("a group is each of its calls, and arguments are those of the call") {
    const auto group = shipped("{" + kWhy + R"("modes": ["secure"], "syscalls": ["@swap"]})");
    CHECK(group.outcomes() == Outcomes{Outcome::passed, Outcome::passed});
    const std::string clone = R"("modes": ["secure"], "syscalls": ["clone"], "args": )";
    CHECK(shipped("{" + kWhy + clone + "[268435456]}").outcomes() == Outcomes{Outcome::passed});
    CHECK(shipped("{" + kWhy + clone + "[17]}").outcomes() == Outcomes{Outcome::failed});
    CHECK(shipped(R"({"why": "w", "is": "depends", "modes": ["secure"], "syscalls": ["clone"]})")
              .outcomes() == Outcomes{Outcome::passed});
}

TEST_CASE("states: who is frozen or locked can do nothing") {
    const std::string read = R"("modes": ["secure"], "paths": ["/data"], "access": "read"})";
    CHECK(shipped("{" + kWhy + read).outcomes() == Outcomes{Outcome::failed});
    CHECK(shipped("{" + kWhy + R"("foreground": "secure", )" + read).outcomes() ==
          Outcomes{Outcome::failed});
    const auto frozen = shipped("{" + kWhy + R"("foreground": "personal", )" + read);
    CHECK(frozen.outcomes() == Outcomes{Outcome::passed});
    CHECK(frozen.tests[0].answer.rule == "frozen");
    CHECK(frozen.tests[0].answer.at.pointer == "/session/background");
    CHECK(shipped("{" + kWhy + R"("locked": ["secure"], )" + read).tests[0].answer.rule ==
          "locked");
    CHECK(shipped("{" + kWhy + R"("locked": ["personal"], )" + read).outcomes() ==
          Outcomes{Outcome::failed});
}

TEST_CASE("what this build cannot enforce is pending, never passed, and still can fail") {
    const std::string torch = R"(, "devices": {"torch": "foreground"})";
    const std::string ask = R"("device": "torch", "right": "foreground"})";
    const auto pending = own(torch, R"({"why": "w", "is": "refused", "syscalls": ["ptrace"]})");
    CHECK(pending.outcomes() == Outcomes{Outcome::pending});
    CHECK(pending.tests[0].note.find("does not start") != std::string::npos);
    CHECK(own(torch, R"({"why": "w", "is": "allowed", "syscalls": ["ptrace"]})").outcomes() ==
          Outcomes{Outcome::failed});
    CHECK(own("", "{" + kWhy + ask).outcomes() == Outcomes{Outcome::passed});
    // A grant is one though no build can give it: no promise of its absence.
    CHECK(own(torch, "{" + kWhy + ask).outcomes() == Outcomes{Outcome::failed});
    CHECK(own(torch, R"({"why": "w", "is": "allowed", )" + ask).outcomes() ==
          Outcomes{Outcome::pending});
}

TEST_CASE("the issue's two promises: nowhere but the tunnel, no microphone behind another mode") {
    const auto connect = [](const std::string& network, const std::string& is) {
        const std::vector<SourceFile> files{
            {"alpha.json", network == "tunnel" ? tunnel_text("alpha", 200000)
                                               : network_text("alpha", 200000, network)}};
        return Run(read_policy(files, nullptr, {}),
                   R"({"why": "w", "is": ")" + is + R"(", "connect": ["10.0.0.1:443"]})")
            .outcomes();
    };
    CHECK(connect(R"("none")", "refused") == Outcomes{Outcome::passed});
    CHECK(connect("tunnel", "allowed") == Outcomes{Outcome::passed});
    CHECK(connect("tunnel", "refused") == Outcomes{Outcome::failed});
    CHECK(connect(R"("direct")", "refused") == Outcomes{Outcome::failed});
    CHECK(connect(R"("direct")", "allowed") == Outcomes{Outcome::passed});
    CHECK(connect(R"({"direct": true, "egress": {"allow": ["tcp/443 to 192.0.2.0/24"]}})",
                  "refused") == Outcomes{Outcome::passed});
    CHECK(connect(R"({"direct": true, "dns": ["10.0.0.1"]})", "allowed") ==
          Outcomes{Outcome::passed});

    const auto capture = [](const std::string& right, const std::string& background) {
        const std::vector<SourceFile> files{
            {"alpha.json",
             profile_text("alpha", 200000,
                          R"(, "devices": {"audio": {"capture": ")" + right +
                              R"("}}, "session": {"background": ")" + background + "\"}")},
            {"beta.json", profile_text("beta", 300000)}};
        return Run(read_policy(files, nullptr, {}),
                   R"({"why": "w", "is": "refused", "modes": ["alpha"], "foreground": "beta",
                       "device": "audio", "right": "capture"})")
            .outcomes();
    };
    CHECK(capture("background", "run") == Outcomes{Outcome::failed});
    CHECK(capture("background", "freeze") == Outcomes{Outcome::passed});
    CHECK(capture("foreground", "run") == Outcomes{Outcome::passed});
    CHECK(capture("none", "run") == Outcomes{Outcome::passed});
}

TEST_CASE("the shipped promises hold, every one, and ask of everything a test can ask") {
    std::vector<Diagnostic> found;
    const std::string name = "profiles/tests/promises.json";
    const auto set = shipped_policy();
    const auto read = read_expectations({name, read_file(source_path(name))}, set.modes, found);
    INFO(texts(found));
    REQUIRE(read.has_value());
    const auto separation =
        separate(set.modes, whole_phone(), find_mode(set, "secure").demands.get());
    std::vector<std::size_t> topics(6);
    for (const auto& test : run_expectations(*read, set.modes, whole_phone(), separation)) {
        INFO(test.mode << ": " << question_text(test.query.question) << ": "
                       << test.expectation->why << ": " << test.answer.why << test.note);
        CHECK(test.outcome == Outcome::passed);
        ++topics[static_cast<std::size_t>(test.query.question.topic)];
    }
    CHECK(std::ranges::find(topics, 0U) == topics.end());
}
