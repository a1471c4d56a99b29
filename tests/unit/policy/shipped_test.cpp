// tests: the shipped profiles compile to what tests/golden says, and nothing else.
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>

#include "policy/device_filter.h"
#include "policy/handset.h"
#include "policy/language.h"
#include "policy/syscall_filter.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

TEST_CASE("the shipped profiles are faultless but for what is known") {
    const auto set = shipped_policy();
    CHECK(set.diagnostics.empty());
    REQUIRE(set.modes.size() == 2);
    for (const auto& mode : set.modes) {
        std::string text;
        for (const auto& d : mode.diagnostics) text += to_text(d) + "\n";
        INFO(text);
        CHECK(mode.profile != nullptr);
        // Personal opens by a device key, and their images are made with each build: the check
        // says what that is worth.
        std::vector<std::string> expected{"unverified-image"};
        if (mode.mode == "personal") expected.emplace_back("device-key");
        CHECK(rules_of(mode.diagnostics) == expected);
    }
}

TEST_CASE("golden plans and filters of the shipped profiles") {
    const auto set = shipped_policy();
    for (const auto& mode : set.modes) {
        REQUIRE(mode.profile != nullptr);
        const auto compiled = compile(*mode.profile, fixed_facts());
        std::string text;
        for (const auto& d : compiled.diagnostics) text += to_text(d) + "\n";
        INFO(text);
        CHECK(compiled.diagnostics.empty());
        REQUIRE(compiled.plan.has_value());
        const auto& plan = *compiled.plan;
        const auto image = encode(plan);
        const auto again = decode(image);
        REQUIRE(again.has_value());
        CHECK(to_json(*again) == to_json(plan));
        CHECK(encode(*again) == image);
        const auto base = "tests/golden/" + mode.mode;
        check_golden(base + ".plan.json", to_json(plan));
        check_golden(base + ".seccomp.txt",
                     disassemble(from_bytes(plan.seccomp), *find_arch("x86_64")));
        check_golden(base + ".devices.txt",
                     disassemble_device_filter(device_filter_from_bytes(plan.device_filter)));
    }
}

TEST_CASE("an image that another build or hand changed is not decoded") {
    const auto plan = *compile(*shipped_policy().modes.front().profile, fixed_facts()).plan;
    const auto image = encode(plan);
    const std::string_view text(reinterpret_cast<const char*>(image.data()), image.size());
    for (const char* word : {"\"freeze\"", "\"stopTimeoutMs\"", "\"deviceNodes\"", "\"network\""}) {
        auto changed = image;
        const auto at = text.find(word);
        REQUIRE(at != std::string_view::npos);
        changed[at + 1] = std::byte{'x'};
        INFO(word);
        CHECK_FALSE(decode(changed).has_value());
    }
}

TEST_CASE("schemas and the reference are made from the table") {
    check_golden("profiles/schema/profile.schema.json", schema_text(profile_language()));
    check_golden("profiles/schema/site.schema.json", schema_text(site_language()));
    check_golden("profiles/schema/test.schema.json", schema_text(test_language()));
    check_golden("profiles/schema/handset.schema.json", schema_text(handset_language()));
}

TEST_CASE("the shipped set is read, checked and compiled quickly") {
    const auto begin = std::chrono::steady_clock::now();
    const auto set = shipped_policy();
    for (const auto& mode : set.modes) {
        REQUIRE(mode.profile != nullptr);
        const auto compiled = compile(*mode.profile, fixed_facts());
        REQUIRE(compiled.plan.has_value());
        CHECK_FALSE(encode(*compiled.plan).empty());
    }
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    WARN("read, check, compile, encode of the shipped set: " << took.count() << " ms");
    // The goal is 30 ms in release; a slow machine with sanitizers gets room.
    CHECK(took.count() < 1000);
}

namespace {

// The text between "<!-- name -->" and the next "<!-- end -->", replaced.
std::string with_section(const std::string& text, const std::string& name,
                         const std::string& rows) {
    const auto begin = text.find("<!-- " + name + " -->\n");
    REQUIRE(begin != std::string::npos);
    const auto first = begin + name.size() + 10;
    const auto end = text.find("<!-- end -->", first);
    REQUIRE(end != std::string::npos);
    return text.substr(0, first) + rows + text.substr(end);
}

}  // namespace

TEST_CASE("the tables of the documentation are those of the language") {
    std::string groups = "| group | what is in it |\n|---|---|\n";
    for (const auto& group : syscall_groups())
        groups += "| `" + std::string(group.name) + "` | " + std::string(group.doc) + " |\n";
    auto text = read_file(source_path("docs/profiles.md"));
    REQUIRE_FALSE(text.empty());
    std::string rows = "| rule | severity | what | why |\n|---|---|---|---|\n";
    for (const auto& rule : rules())
        rows += "| `" + std::string(rule.id) + "` | " + std::string(severity_name(rule.severity)) +
                " | " + std::string(rule.title) + " | " + std::string(rule.why) + " |\n";
    text = with_section(text, "rules", rows);
    text = with_section(text, "groups", groups);
    text = with_section(text, "site", reference_text(site_language()));
    text = with_section(text, "keys", reference_text(profile_language()));
    check_golden("docs/profiles.md", text);
    check_golden("docs/integrating.md",
                 with_section(read_file(source_path("docs/integrating.md")), "handset",
                              reference_text(handset_language())));
}
