// tests: bytes to trees: places, bounds, broken input.
#include "policy/json_reader.h"

#include <catch2/catch.hpp>

#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

std::optional<Node> read(std::string_view bytes, std::vector<Diagnostic>& out) {
    return read_json("t.json", bytes, out);
}

void check_fault(std::string_view bytes, const std::string& rule, unsigned line, unsigned column) {
    std::vector<Diagnostic> out;
    INFO("bytes: " << bytes.substr(0, 60));
    CHECK_FALSE(read(bytes, out).has_value());
    REQUIRE(out.size() == 1);
    CHECK(rule_id(out[0].rule) == rule);
    CHECK(out[0].at.line == line);
    CHECK(out[0].at.column == column);
}

}  // namespace

TEST_CASE("every key and value knows its place") {
    std::vector<Diagnostic> out;
    const auto tree = read(
        "// a comment, with \"quotes\"\n"
        "{ /* more */ \"a\": [1, -2, \"x\\\"y\"],\n"
        "  \"b/c~d\" : {\"e\": true, \"f\": null, \"g\": 1.5}\n"
        "}\n// the end",
        out);
    REQUIRE(tree.has_value());
    CHECK(out.empty());
    const Node* a = tree->find("a");
    REQUIRE(a != nullptr);
    CHECK(a->at.line == 2);
    CHECK(a->at.column == 19);
    CHECK(a->at.pointer == "/a");
    CHECK(tree->member("a")->key_at.column == 14);
    REQUIRE(a->items.size() == 3);
    CHECK(a->items[1].negative);
    CHECK(a->items[1].magnitude == 2);
    CHECK(a->items[1].at.column == 23);
    CHECK(a->items[2].text == "x\"y");
    CHECK(a->items[2].at.pointer == "/a/2");
    const Node* f = tree->find("b/c~d")->find("f");
    REQUIRE(f != nullptr);
    CHECK(f->is(Node::Kind::null));
    CHECK(f->at.pointer == "/b~1c~0d/f");
    CHECK(f->at.line == 3);
    CHECK(f->at.column == 30);
    CHECK(tree->at_path("a/2")->text == "x\"y");
    CHECK(tree->at_path("a/3") == nullptr);
}

TEST_CASE("the largest integers keep their value") {
    std::vector<Diagnostic> out;
    const auto tree =
        read("[18446744073709551615, -9223372036854775808, 18446744073709551616]", out);
    REQUIRE(tree.has_value());
    CHECK(tree->items[0].magnitude == UINT64_MAX);
    CHECK(tree->items[1].negative);
    CHECK(tree->items[1].magnitude == 1ULL << 63U);
    CHECK(tree->items[2].is(Node::Kind::number));
}

TEST_CASE("broken JSON is refused at its place") {
    check_fault("", "syntax", 1, 1);
    check_fault("{\"a\": 1", "syntax", 1, 8);
    check_fault("{\n\"a\" 1}", "syntax", 2, 5);
    check_fault("{} {}", "syntax", 1, 4);
    check_fault("{\"a\": 1,}", "syntax", 1, 9);
    check_fault("[1e999]", "syntax", 1, 6);
    check_fault("\xef\xbb\xbf{}", "syntax", 1, 1);
}

TEST_CASE("NUL and invalid UTF-8 are refused at their place") {
    using namespace std::string_literals;
    check_fault("{\"a\": \"\0\"}"s, "nul-byte", 1, 8);
    check_fault("{\"a\":\n \"\\u0000\"}", "nul-byte", 2, 2);
    check_fault("{\"\\u0000\": 1}", "nul-byte", 1, 2);
    check_fault("{\"a\": \"\xff\"}", "invalid-utf8", 1, 8);
    check_fault("// \xc0\xaf\n{}", "invalid-utf8", 1, 4);         // overlong
    check_fault("[\"\xed\xa0\x80\"]", "invalid-utf8", 1, 3);      // surrogate
    check_fault("[\"\xf4\x90\x80\x80\"]", "invalid-utf8", 1, 3);  // beyond U+10FFFF
    check_fault("[\"\xe2\x82\"]", "invalid-utf8", 1, 3);          // cut short
}

TEST_CASE("a second member of the same name is refused, both places named") {
    std::vector<Diagnostic> out;
    CHECK_FALSE(read("{\"a\": 1,\n \"b\": {\"c\": 1, \"c\": 2}, \"a\": 3}", out).has_value());
    REQUIRE(out.size() == 2);
    CHECK(rules_of(out) == std::vector<std::string>{"duplicate-key", "duplicate-key"});
    CHECK(out[0].at.pointer == "/b/c");
    CHECK(out[1].at.line == 2);
    REQUIRE(out[1].related.size() == 1);
    CHECK(out[1].related[0].line == 1);
}

TEST_CASE("bounds hold: depth, size, number of values, length of paths") {
    std::vector<Diagnostic> out;
    CHECK(read(std::string(kMaxDepth, '[') + std::string(kMaxDepth, ']'), out).has_value());
    check_fault(std::string(kMaxDepth + 1, '[') + std::string(kMaxDepth + 1, ']'), "too-deep", 1,
                kMaxDepth + 1);
    check_fault(std::string(10000, '['), "too-deep", 1, kMaxDepth + 1);
    check_fault("[" + std::string(kMaxFileSize, ' ') + "]", "too-large", 0, 0);
    std::string many = "[0";
    for (std::size_t i = 0; i < kMaxNodes; ++i) many += ",0";
    out.clear();
    CHECK_FALSE(read(many + "]", out).has_value());
    CHECK(rules_of(out) == std::vector<std::string>{"too-large"});
    check_fault("{\"" + std::string(kMaxPointer + 1, 'k') + "\": 1}", "too-large", 1, 2);
}

TEST_CASE("an excerpt shows the line and a caret below the column") {
    const Location at{"t.json", 2, 4, ""};
    CHECK(source_excerpt("one\n\ttwo\nthree", at) == "     2 |  two\n       |    ^");
    CHECK(source_excerpt("one", at).empty());
    CHECK(source_excerpt("one", {"t.json", 0, 0, ""}).empty());
    const auto wide = source_excerpt(std::string(5000, 'x'), {"t.json", 1, 4000, ""});
    CHECK(wide.size() < 300);
    CHECK(wide.ends_with("^"));
}

TEST_CASE("the nearest word is proposed only when it is near") {
    constexpr std::string_view kWords[] = {"volumes", "devices", "network"};
    CHECK(nearest("volums", kWords) == "volumes");
    CHECK(nearest("Devices", kWords) == "devices");
    CHECK(nearest("hooks", kWords).empty());
    CHECK(nearest(std::string(100000, 'v'), kWords).empty());
}

TEST_CASE("a diagnostic reads file:line:column: severity: message [rule]") {
    const Diagnostic d{Severity::error,   Rule::unknown_key, {"p.json", 3, 5, "/x"},
                       "unknown key 'x'", "remove it",       {{"q.json", 1, 2, ""}}};
    CHECK(to_text(d) ==
          "p.json:3:5: error: unknown key 'x' [unknown-key]\n    see q.json:1:2\n    hint: remove "
          "it");
}
