// tests: the filter of an OCI configuration apart from the rest: the same values come out as of the
// whole, or nothing.
#include "policy/oci_split.h"

#include <catch2/catch.hpp>

#include "policy/json_reader.h"
#include "policy/oci_config.h"

using namespace pmos::policy;
using namespace pmos::policy::oci;

TEST_CASE("the filter is told apart by its own bytes") {
    const std::string bytes =
        R"({"a": "}\"{", "linux": {"b": [1, {"seccomp": 2}], "seccomp": {"x": [{"y": "]}"}]} , "c": true}, "d": -1e3})";
    const auto split = split_config(bytes);
    REQUIRE(split.has_value());
    CHECK(split->filter == R"({"x": [{"y": "]}"}]})");
    CHECK(
        split->rest ==
        R"({"a": "}\"{", "linux": {"b": [1, {"seccomp": 2}], "seccomp": null , "c": true}, "d": -1e3})");
}

TEST_CASE("where there is a doubt there is none") {
    for (const char* bytes : {
             "",
             "{}",
             "[]",
             "null",
             R"({"linux": {}})",
             R"({"linux": {"seccomp": null}})",
             R"({"linux": {"seccomp": []}})",
             R"({"linux": {"seccomp": "{}"}})",
             R"({"linux": {"seccomp": {}, "seccomp": {}}})",
             R"({"linux": {"seccomp": {}}, "linux": {}})",
             R"({"linux": {}, "linux": {"seccomp": {}}})",
             R"({"linux": [{"seccomp": {}}]})",
             R"({"linux": {"seccomp": {}})",
             R"({"linux": {"seccomp": {"a"}, "b": 1})",
             R"({"linux": {"seccomp": {}} /* } */})",
             R"({"linux": {"seccomp": {} // ,
             }})",
             R"({"linux": {"seccomp": {}, }})",
             R"({"linux" {"seccomp": {}}})",
             R"({"\u006cinux": {"seccomp": {}}})",
             R"({"linux": {"seccomp": {"a": "b}})",
         }) {
        INFO(bytes);
        CHECK_FALSE(split_config(bytes).has_value());
    }
}

TEST_CASE("a member that is written in another way is found twice by who reads it") {
    const auto split = split_config(R"({"linux": {"seccomp": {}, "\u0073eccomp": {}}})");
    REQUIRE(split.has_value());
    CHECK_FALSE(read_json_unplaced(split->rest).has_value());
    CHECK_FALSE(read_sound_config(split->rest).has_value());
}

TEST_CASE("a sound configuration is the same without places") {
    constexpr const char* kText = R"({
        "ociVersion": "1.2.0", "root": {"path": "root"}, "hostname": "h",
        "process": {"user": {"uid": 1, "gid": 2}, "args": ["a", "b"], "cwd": "/", "env": ["A=b"]},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": [{"type": "uts"}, {"type": "mount"}], "maskedPaths": ["/proc/kcore"]}})";
    std::vector<Diagnostic> diagnostics;
    const auto whole = read_config("config.json", kText, diagnostics);
    const auto plain = read_sound_config(kText);
    REQUIRE((whole && plain && diagnostics.empty()));
    CHECK(plain->root_path == whole->root_path);
    CHECK(plain->hostname == "h");
    CHECK(plain->process->args == whole->process->args);
    CHECK(plain->mounts.front().destination == whole->mounts.front().destination);
    CHECK(plain->mounts.front().at.pointer == whole->mounts.front().at.pointer);
    CHECK(plain->mounts.front().at.line == 0);
    CHECK(plain->namespaces.size() == 2);
    // What is to be told is nobody's here.
    CHECK_FALSE(read_sound_config(R"({"ociVersion": "9.0"})"));
    CHECK_FALSE(read_sound_config("{"));
    CHECK_FALSE(read_sound_config(R"({"a": 1, "a": 2})"));
}
