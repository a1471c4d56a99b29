// tests: what the panel's pages show, on every screen and for every eye.
#include "runtime/panel/pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

using namespace pmos::panel;
using namespace std::chrono_literals;

namespace {

ModeRow mode(const char* name, const char* title, Color color) {
    ModeRow row;
    row.name = name;
    row.title = title;
    row.color = color;
    row.run = 1;
    row.shown = row.input = true;
    row.life = Life::running;
    return row;
}

Table two_modes() {
    Table table{{mode("personal", "Personal", 0x1565c0), mode("secure", "Work", 0xb71c1c)}, {}};
    table.modes[0].foreground = true;
    table.modes[1].locked = true;
    table.modes[1].life = Life::stopped;
    return table;
}

constexpr Size kScreens[] = {{360, 720}, {720, 360}, {480, 800}, {800, 1280}, {1280, 800}};

std::vector<Look> looks() {
    std::vector<Look> all;
    for (const std::uint32_t percent : {100U, 150U, 200U})
        for (const bool contrast : {false, true}) all.push_back({"", percent, contrast});
    return all;
}

void check_page(const Page& page) {
    std::vector<const Piece*> touched;
    for (const auto& piece : page.pieces) {
        INFO(piece.text << " " << piece.box.x << "," << piece.box.y << " " << piece.box.width << "x"
                        << piece.box.height);
        CHECK(piece.box.x >= 0);
        CHECK(piece.box.y >= 0);
        CHECK(piece.box.width > 0);
        CHECK(piece.box.height > 0);
        CHECK(piece.box.x + piece.box.width <= page.size.width);
        CHECK(piece.box.y + piece.box.height <= page.size.height);
        if (piece.action.verb != Verb::nothing) touched.push_back(&piece);
        // WCAG 2.1, 1.4.3.
        if (!piece.text.empty() && piece.filled) CHECK(contrast(piece.fill, piece.ink) >= 4.5);
        if (!piece.text.empty() && !piece.filled) CHECK(contrast(page.ground, piece.ink) >= 4.5);
    }
    for (const auto* a : touched)
        for (const auto* b : touched) {
            if (a == b) continue;
            const bool apart =
                a->box.x + a->box.width <= b->box.x || b->box.x + b->box.width <= a->box.x ||
                a->box.y + a->box.height <= b->box.y || b->box.y + b->box.height <= a->box.y;
            INFO(a->text << " and " << b->text);
            CHECK(apart);
        }
}

const Piece* find(const Page& page, Verb verb, std::string_view text = "") {
    const auto it = std::ranges::find_if(page.pieces, [&](const Piece& piece) {
        return piece.action.verb == verb &&
               (text.empty() || piece.action.text == text || piece.action.mode == text);
    });
    return it == page.pieces.end() ? nullptr : &*it;
}

}  // namespace

TEST_CASE("every page fits every screen in every look, and can be read and touched") {
    for (const auto& look : looks())
        for (const Size screen : kScreens) {
            Table table = two_modes();
            table.look = look;
            INFO(screen.width << "x" << screen.height << " " << look.text_percent << " % "
                              << look.high_contrast);
            Asked asked;
            asked.mode = "secure";
            asked.typed = 40;
            asked.message = "That was not right";
            View view{table, screen, 100s, nullptr, "No"};
            check_page(chooser_page(view));
            view.asked = &asked;
            check_page(pad_page(view));
            asked.pad = Pad::letters;
            for (asked.keys = 0; asked.keys < 3; ++asked.keys) check_page(pad_page(view));
            for (const bool covered : {false, true}) check_page(strip_page(table, screen, covered));
        }
}

TEST_CASE("the strip names who is in front in its colour, and what is in use") {
    Table table = two_modes();
    const Size screen{360, 720};
    auto page = strip_page(table, screen, false);
    CHECK(page.ground == 0x1565c0);
    CHECK(page.pieces.front().text == "Personal");
    CHECK(page.size == Size{360, strip_height(table.look)});
    const auto icons = [&] {
        std::multiset<Icon> all;
        for (const auto& piece : strip_page(table, screen, false).pieces)
            if (piece.icon != Icon::none) all.insert(piece.icon);
        return all;
    };
    CHECK(icons() == std::multiset<Icon>{Icon::locked, Icon::open});
    table.modes[1].listens = true;
    table.modes[0].calls = true;
    CHECK(icons() == std::multiset<Icon>{Icon::locked, Icon::open, Icon::microphone, Icon::call});
    table.modes[0].tunnel = Tunnel::stands;
    CHECK(icons().contains(Icon::tunnel));
    table.modes[0].tunnel = Tunnel::lost;
    CHECK(icons().contains(Icon::no_tunnel));
    // Of who is not in front nothing is said.
    table.modes[0].tunnel = Tunnel::none;
    table.modes[1].tunnel = Tunnel::stands;
    CHECK_FALSE(icons().contains(Icon::tunnel));
    // A page of the panel's own is nobody's.
    page = strip_page(table, screen, true);
    CHECK(page.ground == 0x000000);
    CHECK(page.pieces.front().text == "pmos");
}

TEST_CASE("the chooser leads to every mode, locks who is open and says how long to wait") {
    Table table = two_modes();
    const View view{table, {360, 720}, 100s, nullptr, ""};
    auto page = chooser_page(view);
    CHECK(find(page, Verb::choose, "personal") != nullptr);
    CHECK(find(page, Verb::choose, "secure") != nullptr);
    CHECK(find(page, Verb::lock, "personal") != nullptr);
    CHECK(find(page, Verb::lock, "secure") == nullptr);
    const auto says = [&](std::string_view words) {
        page = chooser_page(view);
        return std::ranges::find(page.pieces, words, &Piece::text) != page.pieces.end();
    };
    CHECK(says("Locked"));
    table.modes[1].wait_until = 130;
    CHECK(says("Wait 30 s"));
    table.modes[1].wait_until = 100 + 600;
    CHECK(says("Wait 10 min"));
    table.modes[1].wait_until = 99;
    CHECK(says("Locked"));
}

TEST_CASE("a pad has every digit once, in whatever order") {
    Table table = two_modes();
    Asked asked;
    asked.mode = "secure";
    const View view{table, {360, 720}, 100s, &asked, ""};
    for (const char* order : {"1234567890", "5039217486"}) {
        asked.order = order;
        const auto page = pad_page(view);
        std::string seen;
        std::vector<const Piece*> keys;
        for (const auto& piece : page.pieces)
            if (piece.action.verb == Verb::digit) {
                CHECK(piece.text == piece.action.text);
                seen += piece.text;
                CHECK(page.at(piece.box.x + 1, piece.box.y + 1)->action == piece.action);
            }
        CHECK(seen == order);
        CHECK(find(page, Verb::enter) != nullptr);
        CHECK(find(page, Verb::erase) != nullptr);
        CHECK(find(page, Verb::back) != nullptr);
    }
    // Nothing of what was typed is on it but how much.
    asked.typed = 3;
    const auto page = pad_page(view);
    CHECK(std::ranges::find(page.pieces, "•••", &Piece::text) != page.pieces.end());
}

TEST_CASE("the pad of letters has every character that a US keyboard has") {
    Table table = two_modes();
    Asked asked;
    asked.mode = "secure";
    asked.pad = Pad::letters;
    const View view{table, {360, 720}, 100s, &asked, ""};
    std::set<std::string> seen;
    for (asked.keys = 0; asked.keys < 3; ++asked.keys)
        for (const auto& piece : pad_page(view).pieces)
            if (piece.action.verb == Verb::digit) seen.insert(piece.action.text);
    for (char c = ' '; c < 0x7f; ++c) {
        INFO(c);
        CHECK(seen.contains(std::string(1, c)));
    }
}
