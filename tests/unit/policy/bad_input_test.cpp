// tests: input that no author would write: each gets a located error, in bounded time and memory.
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <ctime>

#include "policy/json_reader.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

ModePolicy read_bytes(std::string bytes) {
    const std::vector<SourceFile> files{{"a.json", std::move(bytes)}};
    return read_policy(files, nullptr, read_shipped_block).modes.at(0);
}

// The first error: it has a place in the file, whatever the input was.
const Diagnostic& located(const ModePolicy& mode) {
    CHECK(mode.profile == nullptr);
    for (const auto& d : mode.diagnostics)
        if (d.severity == Severity::error) {
            CHECK(d.at.file == "a.json");
            CHECK((d.at.line > 0 || d.rule == Rule::too_large));
            CHECK(d.message.size() < 400);
            for (const char c : to_text(d))
                CHECK((static_cast<unsigned char>(c) >= 0x20 || c == '\n'));
            return d;
        }
    FAIL("no error");
    return mode.diagnostics.front();
}

long peak_kib() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

struct Bounded {
    std::clock_t begin = std::clock();  // of this process: others make the machine slow
    long before = peak_kib();
    // A sanitizer takes several times the memory and the time; a fault takes hundreds of times.
    void check(long kib = 200'000, int seconds = 10) const {
        CHECK(peak_kib() - before < kib);
        CHECK((std::clock() - begin) / CLOCKS_PER_SEC < seconds);
    }
};

std::string repeat(std::string_view text, std::size_t times) {
    std::string out;
    out.reserve(text.size() * times);
    for (std::size_t i = 0; i < times; ++i) out += text;
    return out;
}

}  // namespace

TEST_CASE("bad input: every truncation of a shipped profile") {
    const auto whole = read_file(source_path("profiles/secure.json"));
    REQUIRE(whole.size() > 500);
    const auto last = whole.rfind('}');
    for (std::size_t size = 0; size <= last; ++size) {
        INFO("cut after " << size << " bytes");
        CHECK(located(read_bytes(whole.substr(0, size))).rule == Rule::syntax);
    }
}

TEST_CASE("bad input: bytes of a shipped profile replaced") {
    const auto whole = read_file(source_path("profiles/personal.json"));
    for (std::size_t i = 0; i < whole.size(); i += 7)
        for (const char c : {'\0', '\xff', '"', '{', '9'}) {
            auto bytes = whole;
            bytes[i] = c;
            const auto mode = read_bytes(bytes);
            if (c == '\0') CHECK(located(mode).rule == Rule::nul_byte);
            if (c == '\xff') CHECK(located(mode).rule == Rule::invalid_utf8);
            if (mode.profile == nullptr) located(mode);
        }
}

TEST_CASE("bad input: 100 MB") {
    const Bounded bounded;
    CHECK(located(read_bytes(std::string(100'000'000, '['))).rule == Rule::too_large);
    bounded.check(400'000);
}

TEST_CASE("bad input: 10,000 levels of arrays, objects and comments") {
    const Bounded bounded;
    CHECK(located(read_bytes(std::string(10'000, '['))).rule == Rule::too_deep);
    CHECK(located(read_bytes(repeat("{\"a\":", 10'000))).rule == Rule::too_deep);
    CHECK(located(read_bytes(repeat("/*", 10'000))).rule == Rule::syntax);
    CHECK(
        located(read_bytes("{\"pmos\": 1, \"session\": " + repeat("[", 63) + repeat("]", 63) + "}"))
            .rule == Rule::wrong_type);
    bounded.check();
}

TEST_CASE("bad input: as much as a file may hold of whatever costs most") {
    const Bounded bounded;
    const std::size_t room = kMaxFileSize - 100;
    std::string keys = "{";
    for (int i = 0; i < 10'000; ++i) keys += "\"k" + std::to_string(i) + "\": 1, ";
    for (const auto& bytes :
         {"[" + repeat("{},", room / 3) + "{}]", "{\"" + std::string(room, 'k') + "\": 1}",
          "{\"mode\": \"" + std::string(room, 'm') + "\"}", std::string(room, '9'),
          "[" + repeat("\"\\u0041\",", room / 9) + "1]", std::string(room, '\n') + "x",
          "{\"seccomp\": {\"allow\": [" + repeat("\"opnat\",", 10'000) + "\"x\"]}}",
          "{\"process\": {\"env\": [" + repeat("\"A=1\",", 200) + "\"A=1\"]}}",
          "{\"seccomp\": {\"allow\": [" + repeat("\"mount\",", 10'000) + "\"x\"]}}",
          "{" + repeat("\"x\": 1, ", 10'000) + "\"y\": 1}", keys + "\"y\": 1}"}) {
        INFO(bytes.substr(0, 40));
        const auto mode = read_bytes(bytes);
        located(mode);
        CHECK(mode.diagnostics.size() <= 2 * kMaxFindings);
    }
    bounded.check(400'000, 20);
}

TEST_CASE("bad input: numbers out of every range") {
    for (const std::string number :
         {"-1", "4294967296", "18446744073709551615", "18446744073709551616", "1e400", "-1e400",
          "1.0", "-0.0", "0x10", "007", "NaN", "-", "99999999999999999999999999999999999999999"})
        for (const std::string key : {"start", "count"}) {
            auto text = profile_text("alpha", 200000);
            const auto at = text.find(key == "start" ? "200000" : "65536");
            text.replace(at, key == "start" ? 6 : 5, number);
            INFO(text);
            const auto rule = located(read_bytes(text)).rule;
            CHECK((rule == Rule::out_of_range || rule == Rule::wrong_type || rule == Rule::syntax));
        }
}

TEST_CASE("bad input: names with control characters are shown escaped") {
    for (const std::string name : {"\\n", "\\u001b[31m", "\\u0007", "\\u007f", "a\\tb"}) {
        auto text = profile_text("alpha", 200000);
        text.replace(text.find("alpha"), 5, name);
        CHECK(located(read_bytes(text)).rule == Rule::bad_value);
        located(read_bytes(profile_text("alpha", 200000, ", \"" + name + "\": 1")));
        located(read_bytes(profile_text("alpha", 200000, ", \"extends\": [\"" + name + "\"]")));
        located(read_bytes(profile_text("alpha", 200000,
                                        ", \"volumes\": [{\"name\": \"" + name +
                                            "\", \"target\": \"/" + name +
                                            "\", \"size\": \"64MiB\", \"unlock\": [\"pin\"]}]")));
    }
}
