// tests: policy report and policy map without a browser: what is shown, what is escaped, how files
// are written. tests/report has what a browser makes of it.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/map.h"
#include "cli/report_page.h"
#include "harness.h"
#include "profiles.h"

using namespace pmos::cli;
using namespace pmos::cli::test;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;
namespace policy = pmos::policy;

namespace {

std::string profile(const std::string& mode, unsigned id, const std::string& more) {
    return R"({"pmos": 1, "mode": ")" + mode + R"(", "root": {"image": ")" + mode +
           R"(.erofs"}, "identity": {"uidRange": {"start": )" + std::to_string(id) +
           R"(, "count": 65536}},
"process": {"args": ["/bin/true"]}, "seccomp": {"allow": ["@system-service"]},
"resources": {"memory": {"max": "1GiB"}, "pids": {"max": 64}},
)" + more + "}";
}

std::string bind(const std::string& source) {
    return R"("mounts": [{"type": "bind", "source": ")" + source +
           R"(", "target": "/in", "options": ["ro", "nosuid", "nodev", "noexec"]}])";
}

// two, which share /srv/x and a hook, and lone, which shares nothing
struct Three : Directory {
    Three() {
        const std::string hook = R"(, "hooks": {"preStart": ["h"]}, "network": "none")";
        write("a.json", profile("a", 200000, bind("/srv/x") + hook));
        write("b.json", profile("b", 300000, bind("/srv/x") + hook));
        write("lone.json", profile("lone", 400000, R"("network": "loopback")"));
    }
    Report report() const {
        auto input = read_input({}, path.string(), {});
        REQUIRE(input);
        return make_report(std::move(*input));
    }
};

const ReportRow& row_of(const Report& report, const std::string& name) {
    const auto row = std::ranges::find(report.reach, name, &ReportRow::name);
    REQUIRE(row != report.reach.end());
    return *row;
}

}  // namespace

TEST_CASE("nothing foreign becomes markup, and nothing in it is unseen") {
    CHECK(Markup().tag("<p>").text("<b a='1' c=\"2\">&amp;").tag("</p>").take() ==
          "<p>&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;</p>");
    CHECK(visible("a\tb\nc\x1b[1m\x7f\xc2\x85") == "a\tb\\x0ac\\x1b[1m\\x7f\\xc2\\x85");
    CHECK(visible("\u202etxt\u2066\u200b\u2028\ufeff") ==
          "\\u{202e}txt\\u{2066}\\u{200b}\\u{2028}\\u{feff}");
    CHECK(visible("\xff\xc0\xaf\xed\xa0\x80") == "\\xff\\xc0\\xaf\\xed\\xa0\\x80");
    CHECK(visible("\U000e0041\uffff\u00ad") == "\\u{e0041}\\u{ffff}\\u{ad}");
    CHECK(visible("ä中א é") == "ä中א é");
    CHECK(Markup().number(2.5).tag(" ").number(3.0).tag(" ").number(-0.001).take() == "2.5 3 0");
}

TEST_CASE("a name that is too long loses its middle, and no character is cut") {
    CHECK(shortened("short", 5) == "short");
    CHECK(shortened("/usr/share/pmos/hooks/volume-check", 16) == "/usr/…lume-check");
    // Twelve columns: each of these takes two, the dots take one.
    CHECK(shortened("中中中中中中中中", 12) == "中中…中中中");
    CHECK(shortened("abc", 2) == "ab");
    CHECK(shortened("abc", 0).empty());
}

TEST_CASE("what modes reach stands side by side, with who controls what they share") {
    const Three set;
    const auto report = set.report();
    REQUIRE(report.separation->modes.size() == 3);
    CHECK(report.broken() == 0);
    const auto& shared = row_of(report, "/srv/x");
    CHECK(shared.cells[0].standing == Standing::open);
    CHECK(shared.cells[1].standing == Standing::open);
    CHECK(shared.cells[2].standing == Standing::none);
    CHECK(shared.cells[0].text == "read");
    REQUIRE(shared.cells[0].at.size() == 1);
    CHECK(shared.cells[0].at[0].line == 4);
    CHECK(row_of(report, "h").cells[0].standing == Standing::arbitrated);
    CHECK(row_of(report, "h").cells[2].standing == Standing::none);
    CHECK(row_of(report, "its image").cells[2].standing == Standing::own);
    const auto& network = row_of(report, "network");
    CHECK(network.cells[0].text == "none");
    CHECK(network.cells[0].standing == Standing::none);
    CHECK(network.cells[2].text == "loopback");
    CHECK(report.count(policy::Control::open) == 2);
    CHECK(report.count(policy::Control::arbitrated) == 2);
}

TEST_CASE("rows that one mode alone has are gathered when they are many") {
    const Directory dir;
    std::string mounts;
    for (int i = 0; i < 20; ++i)
        mounts += (i == 0 ? "" : ", ") + std::string(R"({"type": "bind", "source": "/srv/)") +
                  std::to_string(i) + R"(", "target": "/in)" + std::to_string(i) +
                  R"(", "options": ["ro"]})";
    dir.write("a.json", profile("a", 200000, R"("network": "none", "mounts": [)" + mounts + "]"));
    dir.write("b.json", profile("b", 300000, R"("network": "none", )" + bind("/srv/3")));
    auto input = read_input({}, dir.path.string(), {});
    REQUIRE(input);
    const auto report = make_report(std::move(*input));
    CHECK(row_of(report, "/srv/3").cells[1].standing == Standing::open);
    CHECK(row_of(report, "others, of one mode each").cells[0].text == "19");
    CHECK(row_of(report, "others, of one mode each").cells[1].standing == Standing::none);
    CHECK(std::ranges::count(report.reach, "tree", &ReportRow::group) == 2);
}

TEST_CASE("the drawing has a bar for each channel, and arrows at who hears") {
    const Three set;
    const auto report = set.report();
    const auto drawing = draw(*report.separation, report.channels, Shape::wide);
    REQUIRE(drawing.rails.size() == 3);
    REQUIRE(drawing.bars.size() == 2);
    CHECK(drawing.rails[0].x < drawing.rails[1].x);
    const auto& bar = drawing.bars[0];
    CHECK(bar.control == policy::Control::open);
    CHECK(bar.name == "/srv/x");
    REQUIRE(bar.marks.size() == 2);
    CHECK(bar.marks[0].x == drawing.rails[0].x);
    CHECK(bar.marks[0].from_right);
    CHECK_FALSE(bar.marks[0].from_left);
    CHECK(bar.marks[1].from_left);
    REQUIRE(bar.marks[0].title.size() == 1);
    CHECK_THAT(bar.marks[0].title[0],
               Contains("a can read, signal (/in): ") && Contains("/a.json:4:12"));
    CHECK(drawing.bars[1].control == policy::Control::arbitrated);
    const auto narrow = draw(*report.separation, report.channels, Shape::narrow);
    CHECK(narrow.width <= 328);
    CHECK_THAT(svg_file(drawing), Contains("<title>") && Contains("/b.json:4:12"));
    CHECK_THAT(dot_file(*report.separation, report.channels),
               Contains("m0 -> r0 [dir=both") && Contains("/a.json:4:12"));
}

TEST_CASE("a report is written whole, and is the same each time") {
    const Service service;
    const Three set;
    const Directory out;
    const auto file = (out.path / "r.html").string();
    const auto done = service.run({"policy", "report", "-o", file, set.path.string()});
    CHECK(done.status == 0);
    CHECK(done.out == file + ": 3 modes, 2 flows that nobody controls, 0 errors\n");
    const auto page = out.read("r.html");
    CHECK(service.run({"policy", "report", "-o", "-", set.path.string()}).out == page);
    CHECK_THAT(page, Contains("<!DOCTYPE html>") && Contains("default-src 'none'") &&
                         Contains("2 flows that nobody controls") && !Contains("<script"));
    // Over an older one, and nothing is left beside it.
    CHECK(service.run({"policy", "report", "-o", file, set.path.string()}).status == 0);
    CHECK(std::distance(fs::directory_iterator(out.path), fs::directory_iterator()) == 1);
}

TEST_CASE("a report takes the place of no device, FIFO, directory or link") {
    const Service service;
    const Three set;
    const Directory out;
    const auto fifo = (out.path / "fifo").string(), link = (out.path / "link").string();
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    fs::create_symlink("/nowhere", link);
    for (const auto& name : {fifo, link, out.path.string(), std::string("/dev/null")}) {
        const auto r = service.run({"policy", "report", "-o", name, set.path.string()});
        CHECK(r.status == 2);
        CHECK_THAT(r.err, Contains("no ordinary file") && Contains("hint:"));
    }
    CHECK(fs::is_character_file("/dev/null"));
    const auto missing = service.run(
        {"policy", "report", "-o", (out.path / "no/where").string(), set.path.string()});
    CHECK(missing.status != 0);
    CHECK_THAT(missing.err, Contains("cannot write"));
    CHECK(service.run({"policy", "report", set.path.string()}).status == 2);
    CHECK(service.run({"policy", "report", "--json", "-o", "-", set.path.string()}).status == 2);
}

TEST_CASE("what is not known is not called separate") {
    const Service service;
    const Three set;
    set.write("broken.json", "{");
    const auto broken = service.run({"policy", "report", "-o", "-", set.path.string()});
    CHECK(broken.status == 0);
    CHECK_THAT(broken.out, Contains("Not known whether the modes are apart") &&
                               !Contains("No flow that nobody"));
    const auto map = service.run({"policy", "map", "--svg", set.path.string()});
    CHECK(map.status == 4);
    CHECK_THAT(map.err, Contains("is broken"));
    fs::remove(set.path / "broken.json");
    // A profile of which there is no text either.
    REQUIRE(::mkfifo((set.path / "fifo.json").c_str(), 0600) == 0);
    CHECK_THAT(service.run({"policy", "report", "-o", "-", set.path.string()}).out,
               Contains("Not known whether the modes are apart") && Contains("1 profile cannot"));
    for (const auto* verb : {"map", "separation"}) {
        Args words{"policy", verb, set.path.string()};
        if (verb == std::string("map")) words.insert(words.end(), {"--dot"});
        const auto blind = service.run(words);
        CHECK(blind.status == 4);
        CHECK_THAT(blind.err, Contains("fifo.json"));
    }
    fs::remove(set.path / "fifo.json");
    // Demands that cannot be read: no mode loads, and what the owner accepts is not known.
    REQUIRE(::mkfifo((set.path / "site.json").c_str(), 0600) == 0);
    const auto blind = service.run({"policy", "report", "-o", "-", set.path.string()});
    CHECK(blind.status == 0);
    CHECK_THAT(blind.out, Contains("Not known whether the modes are apart") &&
                              Contains("The owner&#39;s demands cannot be read.") &&
                              Contains("3 modes do not load") && Contains("does not load</span>"));
}

TEST_CASE("of a very long file the page holds the beginning, and says so") {
    const Service service;
    const Directory dir;
    std::string text;
    for (std::size_t i = 0; i < kMaxLines; ++i) text += "//\n";
    dir.write("a.json", text + profile("a", 200000, R"("network": "loopback")"));
    const auto page = service.run({"policy", "report", "-o", "-", dir.path.string()}).out;
    CHECK_THAT(page, Contains("id=\"s1-20000\"") && !Contains("id=\"s1-20001\"") &&
                         Contains("The rest is not shown: "));
    // What lies behind leads to the file, and says which line is meant.
    CHECK_THAT(page, Contains("href=\"#s1\" title=\"" + dir.path.string() + "/a.json:20004:") &&
                         !Contains("href=\"#s1-2000"));
}

TEST_CASE("a report says what has changed") {
    const Service service;
    const Three set;
    const Directory before;
    for (const auto* name : {"a.json", "b.json", "lone.json"})
        fs::copy_file(set.path / name, before.path / name);
    const auto page = [&] {
        return service
            .run({"policy", "report", "-o", "-", "--against", before.path.string(),
                  set.path.string()})
            .out;
    };
    CHECK_THAT(page(), Contains("nothing. Both mean the same."));
    before.write("lone.json", profile("lone", 400000, R"("network": "none")"));
    const auto changed = page();
    CHECK_THAT(changed, Contains("id=\"changes\"") && Contains("loopback") &&
                            Contains("before <code>lone.json:4</code>"));
    CHECK(service.run({"policy", "report", "-o", "-", "--against", "/nowhere", set.path.string()})
              .status == 13);
}

TEST_CASE("map draws one kind, to a file or to standard output") {
    const Service service;
    const Three set;
    const auto dir = set.path.string();
    CHECK(service.run({"policy", "map", dir}).status == 2);
    CHECK(service.run({"policy", "map", "--svg", "--dot", dir}).status == 2);
    CHECK(service.run({"policy", "map", "--json", "--dot", dir}).status == 2);
    CHECK_THAT(service.run({"policy", "map", "--svg", dir}).out,
               Contains("<svg xmlns=") && Contains("prefers-color-scheme"));
    const Directory out;
    const auto file = (out.path / "m.dot").string();
    CHECK(service.run({"policy", "map", "--dot", "-o", file, dir}).status == 0);
    CHECK(out.read("m.dot") == service.run({"policy", "map", "--dot", dir}).out);
}
