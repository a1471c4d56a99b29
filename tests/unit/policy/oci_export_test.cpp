// tests: a mode as the config.json of a bundle: our own reader takes it, and what it cannot say is
// said.
#include "policy/oci_export.h"

#include <catch2/catch.hpp>

#include "policy/oci_config.h"
#include "policy/oci_plan.h"
#include "policy/question.h"
#include "support.h"

using namespace pmos;
using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

struct Made {
    LaunchPlan plan;
    oci::Exported exported;
    oci::Config config;
};

Made made_of(const std::string& extra, std::string_view calls = R"(["@default"])") {
    std::string text = profile_text("alpha", 200000, extra);
    text.replace(text.find(R"(["@default"])"), 12, calls);
    const std::vector<SourceFile> files{{"a.json", text}};
    const auto set = read_policy(files, nullptr, {});
    INFO(text);
    for (const auto& d : set.modes[0].diagnostics) UNSCOPED_INFO(to_text(d));
    REQUIRE(set.modes[0].profile != nullptr);
    auto compiled = compile(*set.modes[0].profile, whole_phone());
    for (const auto& d : compiled.diagnostics) UNSCOPED_INFO(to_text(d));
    REQUIRE(compiled.plan.has_value());
    auto exported = oci::export_config(*compiled.plan, *set.modes[0].profile);
    std::vector<Diagnostic> faults;
    auto config = oci::read_config("config.json", exported.config, faults);
    for (const auto& d : faults) UNSCOPED_INFO(to_text(d));
    REQUIRE(config.has_value());
    return {std::move(*compiled.plan), std::move(exported), std::move(*config)};
}

bool says(const oci::Exported& exported, std::string_view part) {
    return std::ranges::any_of(
        exported.unsaid, [&](const auto& line) { return line.find(part) != std::string::npos; });
}

bool passes(const oci::Config& config, const std::string& name, bool with_arguments) {
    return std::ranges::any_of(config.seccomp->rules, [&](const auto& rule) {
        return std::ranges::count(rule.names, name) != 0 && rule.args.empty() != with_arguments;
    });
}

}  // namespace

TEST_CASE("a mode is a bundle that has its ids, namespaces, mounts and calls") {
    const auto made = made_of(R"(, "devices": {"gpu": "render"})", R"(["@system-service"])");
    const auto& config = made.config;
    CHECK(config.hostname == made.plan.hostname);
    REQUIRE(config.uid_map.size() == made.plan.uid_map.size());
    CHECK(config.uid_map.front().outside == 200000);
    std::uint64_t namespaces = 0;
    for (const auto& ns : config.namespaces) namespaces |= ns.type;
    CHECK(namespaces == made.plan.namespaces);
    CHECK(config.process->args == made.plan.process.args);
    CHECK(config.process->no_new_privileges);
    CHECK(config.root_read_only);
    CHECK(passes(config, "read", false));
    // By its arguments where it is refused otherwise, and whole where it passes otherwise.
    CHECK((passes(config, "personality", true) && !passes(config, "personality", false)));
    CHECK((passes(config, "ioctl", false) && !passes(config, "ioctl", true)));
    CHECK_FALSE(passes(config, "mount", false));
    CHECK(says(made.exported, "arguments with which these calls are refused: "));
    CHECK(says(made.exported, "ioctl"));
    CHECK(says(made.exported, "dri/renderD128 is the mode's in the foreground only"));
    CHECK(says(made.exported, "Landlock"));
    std::vector<Diagnostic> faults;
    oci::HostSide host;
    host.bundle = "/bundle";
    const auto plan = oci::compile(config, "alpha", host, faults);
    for (const auto& d : faults) UNSCOPED_INFO(to_text(d));
    CHECK(plan.has_value());
}

TEST_CASE("the profile's own rules are in it where a filter without an order can have them") {
    const auto made = made_of("", R"(["@default", "kill"], "rules": [
        {"names": ["ptrace"], "action": "allow", "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}]},
        {"names": ["kill"], "action": "errno", "args": [{"index": 1, "value": 9, "op": "SCMP_CMP_EQ"}]}])");
    CHECK((passes(made.config, "ptrace", true) && !passes(made.config, "ptrace", false)));
    CHECK(passes(made.config, "kill", false));
    CHECK(says(made.exported, "kill"));
}
