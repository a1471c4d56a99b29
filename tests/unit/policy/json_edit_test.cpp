// tests: changes to a JSON text keep its comments and its layout.
#include "policy/json_edit.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace pmos::policy;

namespace {

Node parsed(const std::string& text) {
    std::vector<Diagnostic> faults;
    auto tree = read_json("a.json", text, faults);
    REQUIRE(tree.has_value());
    return std::move(*tree);
}

std::string appended(const std::string& text, std::vector<std::string> items) {
    const Node tree = parsed(text);
    JsonEdit edit(text);
    edit.append(*tree.find("a"), items);
    const std::string out = edit.apply();
    parsed(out);  // still sound
    return out;
}

std::string with_member(const std::string& text, const std::string& path, const std::string& json) {
    const Node tree = parsed(text);
    JsonEdit edit(text);
    edit.add_member(path.empty() ? tree : *tree.at_path(path), "new", json);
    const std::string out = edit.apply();
    parsed(out);
    return out;
}

}  // namespace

TEST_CASE("items are appended where the list ends") {
    CHECK(appended(R"({"a": ["x"], "b": 1})", {"y"}) == R"({"a": ["x", "y"], "b": 1})");
    CHECK(appended(R"({"a": []})", {"x", "y"}) == R"({"a": ["x", "y"]})");
    CHECK(appended(R"({"a": ["]\"}"/* ] */, "[" // ","
        ]})",
                   {"y"}) == R"({"a": ["]\"}"/* ] */, "[", "y" // ","
        ]})");
    CHECK(appended("{\"a\": [\n    \"x\",  // why\n    \"z\"   // because\n  ]}", {"y", "w"}) ==
          "{\"a\": [\n    \"x\",  // why\n    \"z\",   // because\n    \"y\",\n    \"w\"\n  ]}");
}

TEST_CASE("a line that would grow too long is wrapped below the list's first item") {
    const std::string out = appended(R"({"a": ["x"]})", std::vector<std::string>(30, "abcdefgh"));
    CHECK(out.find("\n       \"abcdefgh\"") != std::string::npos);
    std::size_t longest = 0, begin = 0;
    for (std::size_t end = 0; end != std::string::npos; begin = end + 1) {
        end = out.find('\n', begin);
        longest = std::max(longest, (end == std::string::npos ? out.size() : end) - begin);
    }
    CHECK(longest <= 100);
}

TEST_CASE("a member is added behind the last one") {
    CHECK(with_member(R"({})", "", "1") == R"({"new": 1})");
    CHECK(with_member(R"({"a": {"b": true}})", "a", "1") == R"({"a": {"b": true, "new": 1}})");
    CHECK(with_member("{\n  \"a\": 12\n}\n", "", "[]") == "{\n  \"a\": 12,\n  \"new\": []\n}\n");
    CHECK(with_member("{\n  \"a\": {\"b\": [1, {}]} // so\n}\n", "", "1") ==
          "{\n  \"a\": {\"b\": [1, {}]}, // so\n  \"new\": 1\n}\n");
}

TEST_CASE("several changes of one text take effect together") {
    const std::string text = "{\n  \"a\": [\"x\"],\n  \"b\": \"none\"\n}\n";
    const Node tree = parsed(text);
    JsonEdit edit(text);
    edit.replace(*tree.find("b"), "\"render\"");
    edit.append(*tree.find("a"), std::vector<std::string>{"y"});
    edit.add_member(tree, "c", "{}");
    edit.add_member(tree, "d", "{}");
    CHECK(edit.apply() ==
          "{\n  \"a\": [\"x\", \"y\"],\n  \"b\": \"render\",\n  \"c\": {},\n  \"d\": {}\n}\n");
}

TEST_CASE("several members of one object share their commas") {
    const auto both = [](const std::string& text, const std::string& path) {
        const Node tree = parsed(text);
        JsonEdit edit(text);
        const Node& object = path.empty() ? tree : *tree.at_path(path);
        edit.add_member(object, "c", "{}");
        edit.add_member(object, "d", "1");
        const std::string out = edit.apply();
        parsed(out);
        return out;
    };
    CHECK(both(R"({"a": {}})", "a") == R"({"a": {"c": {}, "d": 1}})");
    CHECK(both(R"({"a": {"b": 1}})", "a") == R"({"a": {"b": 1, "c": {}, "d": 1}})");
    CHECK(both("{\n  \"a\": 1 // so\n}\n", "") ==
          "{\n  \"a\": 1, // so\n  \"c\": {},\n  \"d\": 1\n}\n");
}
