// tests: tables, durations, escapes, errors as text.
#include <catch2/catch.hpp>

#include "cli/bus_client.h"
#include "cli/output.h"
#include "cli/progress.h"

using namespace pmos;
using namespace pmos::cli;

TEST_CASE("a table aligns its columns and leaves no space at a line's end") {
    Table table;
    table.header = {"MODE", "STATE", "REASON"};
    table.rows = {{{"personal"}, {"running"}, {""}}, {{"é"}, {"failed"}, {"no image"}}};
    CHECK(render(table, false) ==
          "MODE      STATE    REASON\n"
          "personal  running\n"
          "é         failed   no image\n");
}

TEST_CASE("colour surrounds the text and changes no width") {
    Table table;
    table.header = {"A", "B"};
    table.rows = {{{"x", Style::good}, {"y"}}};
    CHECK(render(table, true) == "\x1b[1mA\x1b[0m  \x1b[1mB\x1b[0m\n\x1b[32mx\x1b[0m  y\n");
}

TEST_CASE("control characters do not reach a terminal") {
    CHECK(printable("a\x1b[2Jb\x07") == "a\\x1b[2Jb\\x07");
    CHECK(printable("c\xc2\x9b"
                    "d") == "c\\xc2\\x9bd");
    CHECK(printable("\xff\xc3(\xed\xa0\x80") == "\\xff\\xc3(\\xed\\xa0\\x80");
    CHECK(printable("grün") == "grün");
    CHECK(printable_lines("a\tb\r\n") == "a\tb\\x0d\n");
}

TEST_CASE("durations are short") {
    CHECK(duration(0) == "0s");
    CHECK(duration(59) == "59s");
    CHECK(duration(187) == "3m 07s");
    CHECK(duration(7500) == "2h 05m");
    CHECK(duration(273600) == "3d 04h");
}

TEST_CASE("an error is what, why, hint, and what the undoing met") {
    Error error;
    error.what = "cannot start 'secure'";
    error.why = "image missing";
    error.fix = "install it";
    CHECK(error_text(error, false) ==
          "pmosctl: cannot start 'secure': image missing\nhint: install it\n");
    Error undo;
    undo.what = "cannot unmount";
    error.undo_failures.push_back(undo);
    CHECK_THAT(error_text(error, false),
               Catch::Matchers::EndsWith("pmosctl: while undoing this: cannot unmount\n"));
}

namespace {

Error from_bus(const char* name, const char* message) {
    const sd_bus_error error{name, message, 0};
    return bus_error(&error);
}

}  // namespace

TEST_CASE("bus errors keep their code, and their hint is split off") {
    const auto locked = from_bus("org.pmos.Error.Locked", "it is locked\nhint: unlock it");
    CHECK(locked.code == Code::locked);
    CHECK(locked.what == "it is locked");
    CHECK(locked.fix == "unlock it");
    CHECK(from_bus("org.pmos.Error.WrongSecret", "x").code == Code::wrong_secret);
    CHECK(from_bus("org.freedesktop.DBus.Error.ServiceUnknown", "x").code == Code::unreachable);
    CHECK(from_bus("org.freedesktop.DBus.Error.NoReply", "x").code == Code::unreachable);
    CHECK(from_bus("org.freedesktop.DBus.Error.UnknownObject", "x").code == Code::unknown_mode);
    CHECK(from_bus("com.example.Odd", "x").code == Code::failed);
    const auto denied = from_bus("org.freedesktop.DBus.Error.AccessDenied", "no");
    CHECK(denied.code == Code::denied);
    CHECK_FALSE(denied.fix.empty());
}

TEST_CASE("object paths and mode names are each other's inverse") {
    CHECK(mode_of_path(mode_address("secure").path.c_str()) == "secure");
    CHECK(mode_of_path(mode_address("a-b").path.c_str()) == "a-b");
    CHECK(mode_of_path("/org/pmos/Runtime1").empty());
}

TEST_CASE("the progress bar fits its line") {
    CHECK(progress_bar(500, "formatting", 80) ==
          "[###############...............]  50% formatting");
    CHECK(progress_bar(4000, "x", 80) == "[##############################] 100% x");
    CHECK(progress_bar(0, "formatting", 20).size() == 19);
    CHECK(progress_bar(500, "x", 80, 187) ==
          "[###############...............]  50% x, 3m 07s left");
}

TEST_CASE("what is left is told from the pace of the step that goes on") {
    using std::chrono::seconds;
    Pace pace;
    const Pace::Moment begin{seconds(100)};
    CHECK_FALSE(pace.left(100, "a", begin));
    CHECK_FALSE(pace.left(110, "a", begin + seconds(5)));  // too little
    CHECK(pace.left(200, "a", begin + seconds(10)) == 80);
    CHECK(pace.left(550, "a", begin + seconds(90)) == 90);
    CHECK_FALSE(pace.left(600, "b", begin + seconds(91)));  // another step, another pace
    CHECK(pace.left(700, "b", begin + seconds(93)) == 6);
    CHECK_FALSE(pace.left(1000, "b", begin + seconds(94)));
}
