// tests: the panel itself on a screen that nobody sees: what it asks for, what it keeps of a
// secret, and whose the screen is. Clients and real keys: tests/native/panel and tests/handset.
#include "runtime/panel/panel.h"

#include <linux/input-event-codes.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/secret.h"

using namespace pmos;
using namespace pmos::panel;

namespace {

struct Request {
    std::string verb, mode, secret;
    Doer::Answer answer;
};

struct Recorded final : Doer {
    void switch_to(const std::string& mode, Answer answer) override {
        asked.push_back({"switch", mode, "", std::move(answer)});
    }
    void lock(const std::string& mode, Answer answer) override {
        asked.push_back({"lock", mode, "", std::move(answer)});
    }
    void unlock(const std::string& mode, UniqueFd secret, Answer answer) override {
        auto read = read_secret(secret.borrow(), 512);
        REQUIRE(read);
        const auto bytes = read->bytes();
        asked.push_back({"unlock", mode,
                         std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
                         std::move(answer)});
    }
    void call(const std::string& number, Answer answer) override {
        asked.push_back({"call", "", number, std::move(answer)});
    }
    void hang_up(Answer answer) override {
        asked.push_back({"hang up", "", "", std::move(answer)});
    }
    std::vector<Request> asked;
};

ModeRow row(const char* name) {
    ModeRow made;
    made.name = made.title = name;
    made.run = 1;
    made.shown = made.input = true;
    made.life = Life::running;
    return made;
}

struct Phone {
    Phone() {
        auto screen_made = Screen::make(*loop, {{360, 720}});
        REQUIRE(screen_made);
        screen = std::move(*screen_made);
        auto displays_made =
            Displays::make(*screen, dir, [](const Error& e) { FAIL(e.message()); });
        REQUIRE(displays_made);
        displays = std::move(*displays_made);
        panel.emplace(*loop, *screen, *displays, doer);
        REQUIRE(screen->begin([this] { panel->resized(); }, [](wlr_input_device*) {}));
        REQUIRE(screen->size() == Size{360, 720});
        table.modes = {row("personal"), row("secure")};
        table.modes[0].foreground = true;
        table.modes[1].locked = true;
        table.modes[1].run = 0;
        table.modes[1].life = Life::stopped;
        panel->set_table(table);
    }
    ~Phone() {
        panel.reset();
        displays.reset();
        screen.reset();
        std::filesystem::remove_all(dir);
    }
    static std::string made_directory() {
        std::string name = "/tmp/pmos-panel-XXXXXX";
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        return name;
    }
    void press(std::uint32_t code, const char* typed = "") {
        panel->key(1, code, true, typed);
        panel->key(2, code, false, "");
    }
    void tap(double x, double y) {
        panel->touch_down(1, 0, x, y);
        panel->touch_up(2, 0);
    }
    // Where a piece of the page that is shown lies.
    void tap(const Page& page, Verb verb, std::string_view what) {
        for (const auto& piece : page.pieces)
            if (piece.action.verb == verb &&
                (piece.action.mode == what || piece.action.text == what))
                return tap(piece.box.x + piece.box.width / 2.0,
                           strip_height(table.look) + piece.box.y + piece.box.height / 2.0);
        FAIL("no such piece");
    }
    void open_pad() {
        panel->key(1, KEY_POWER, true, "");
        panel->key(2, KEY_POWER, false, "");
        tap(chooser_page({table, {360, 720}, {}, nullptr, ""}), Verb::choose, "secure");
        REQUIRE(panel->where() == "pad secure");
    }

    std::unique_ptr<event::EventLoop> loop = std::move(*event::EventLoop::make());
    std::string dir = made_directory();
    std::unique_ptr<Screen> screen;
    std::unique_ptr<Displays> displays;
    Recorded doer;
    std::optional<Panel> panel;
    Table table;
};

}  // namespace

TEST_CASE("who is in front is shown, and nobody where nobody is") {
    Phone phone;
    CHECK(phone.panel->where() == "mode personal");
    CHECK(phone.displays->find("personal")->shown());
    phone.table.modes[0].foreground = false;
    phone.panel->set_table(phone.table);
    CHECK(phone.panel->where() == "chooser");
    CHECK_FALSE(phone.displays->find("personal")->shown());
    CHECK(phone.displays->find("secure") == nullptr);  // it does not run
}

TEST_CASE("the power key, Ctrl+Alt+Delete, the strip and the lower edge lead to the chooser") {
    const auto leads = [](auto how) {
        Phone phone;
        how(phone);
        CHECK(phone.panel->where() == "chooser");
        CHECK_FALSE(phone.displays->find("personal")->shown());
        // And the strip leads back.
        phone.tap(100, 10);
        CHECK(phone.panel->where() == "mode personal");
    };
    leads([](Phone& phone) { phone.press(KEY_POWER); });
    leads([](Phone& phone) {
        phone.panel->key(1, KEY_LEFTCTRL, true, "");
        phone.panel->key(1, KEY_LEFTALT, true, "");
        phone.press(KEY_DELETE);
        phone.panel->key(1, KEY_LEFTALT, false, "");
        phone.panel->key(1, KEY_LEFTCTRL, false, "");
    });
    leads([](Phone& phone) { phone.tap(100, 10); });
    leads([](Phone& phone) {
        phone.panel->touch_down(1, 0, 100, 715);
        phone.panel->touch_move(2, 0, 100, 640);
        phone.panel->touch_up(3, 0);
    });
    Phone phone;
    phone.panel->touch_down(1, 0, 100, 715);
    phone.panel->touch_move(2, 0, 100, 700);  // a slip
    phone.panel->touch_up(3, 0);
    phone.press(KEY_DELETE);
    CHECK(phone.panel->where() == "mode personal");
}

TEST_CASE("a secret goes by a pipe, and is forgotten") {
    Phone phone;
    phone.open_pad();
    phone.press(KEY_1, "1");
    phone.press(KEY_2, "ä");
    phone.press(KEY_3, "3");
    phone.press(KEY_BACKSPACE, "\b");
    phone.press(KEY_BACKSPACE, "\b");
    phone.press(KEY_4, "4");
    phone.press(KEY_ENTER, "\r");
    REQUIRE(phone.doer.asked.size() == 1);
    CHECK(phone.doer.asked[0].verb == "unlock");
    CHECK(phone.doer.asked[0].mode == "secure");
    CHECK(phone.doer.asked[0].secret == "14");
    // While it is judged nothing is typed, and nothing is asked twice.
    phone.press(KEY_5, "5");
    phone.press(KEY_ENTER, "\r");
    CHECK(phone.doer.asked.size() == 1);
    phone.doer.asked[0].answer(Doer::Refused{true, ""});
    CHECK(phone.panel->where() == "pad secure");
    phone.press(KEY_ENTER, "\r");  // nothing is left of it
    CHECK(phone.doer.asked.size() == 1);
    phone.press(KEY_7, "7");
    phone.press(KEY_ENTER, "\r");
    REQUIRE(phone.doer.asked.size() == 2);
    CHECK(phone.doer.asked[1].secret == "7");
    phone.doer.asked[1].answer(std::nullopt);
    REQUIRE(phone.doer.asked.size() == 3);
    CHECK(phone.doer.asked[2].verb == "switch");
    CHECK(phone.doer.asked[2].mode == "secure");
}

TEST_CASE("the digits of the pad, where they lie, and where they lie scrambled") {
    for (const bool scramble : {false, true}) {
        Phone phone;
        phone.table.modes[1].scrambles = scramble;
        phone.panel->set_table(phone.table);
        phone.open_pad();
        // The order is the panel's secret: only its own page has it.
        for (const char* digit : {"3", "1", "9"}) {
            const Page* const page = phone.panel->shown_page();
            REQUIRE(page != nullptr);
            phone.tap(*page, Verb::digit, digit);
        }
        phone.press(KEY_ENTER, "\r");
        REQUIRE(phone.doer.asked.size() == 1);
        CHECK(phone.doer.asked[0].secret == "319");
    }
}

TEST_CASE("a secret is not longer than its memory, and an answer that comes late is nobody's") {
    Phone phone;
    phone.open_pad();
    for (int i = 0; i < 2000; ++i) phone.press(KEY_1, "1");
    phone.press(KEY_ENTER, "\r");
    REQUIRE(phone.doer.asked.size() == 1);
    CHECK(phone.doer.asked[0].secret.size() == 512);
    phone.press(KEY_ESC);
    CHECK(phone.panel->where() == "chooser");
    phone.doer.asked[0].answer(Doer::Refused{true, ""});
    CHECK(phone.panel->where() == "chooser");
}

TEST_CASE("an answer to what was typed before is not one to what is typed now") {
    Phone phone;
    phone.open_pad();
    phone.press(KEY_1, "1");
    phone.press(KEY_ENTER, "\r");
    phone.open_pad();
    phone.press(KEY_2, "2");
    phone.doer.asked[0].answer(Doer::Refused{true, ""});
    phone.press(KEY_3, "3");
    phone.press(KEY_ENTER, "\r");
    REQUIRE(phone.doer.asked.size() == 2);
    CHECK(phone.doer.asked[1].secret == "23");
}

TEST_CASE("a pad is closed by attention, and by a mode that is gone") {
    Phone phone;
    phone.open_pad();
    phone.press(KEY_1, "1");
    phone.press(KEY_POWER);
    CHECK(phone.panel->where() == "chooser");
    phone.open_pad();
    phone.press(KEY_ENTER, "\r");
    CHECK(phone.doer.asked.empty());
    phone.table.modes.pop_back();
    phone.panel->set_table(phone.table);
    CHECK(phone.panel->where() != "pad secure");
}

TEST_CASE("an emergency call from the chooser and from a pad, and how it goes") {
    for (const bool from_pad : {false, true}) {
        Phone phone;
        if (from_pad)
            phone.open_pad();
        else
            phone.press(KEY_POWER);
        phone.tap(*phone.panel->shown_page(), Verb::emergency, "");
        CHECK(phone.panel->where() == "emergency");
        for (const char* digit : {"1", "1", "2"})
            phone.tap(*phone.panel->shown_page(), Verb::digit, digit);
        phone.tap(*phone.panel->shown_page(), Verb::enter, "");
        REQUIRE(phone.doer.asked.size() == 1);
        CHECK(phone.doer.asked[0].verb == "call");
        CHECK(phone.doer.asked[0].secret == "112");
        phone.doer.asked[0].answer(std::nullopt);
        phone.panel->call_changed({"dialling", "112", ""});
        phone.press(KEY_3, "3");  // who calls does not type
        phone.press(KEY_ENTER, "\r");
        CHECK(phone.doer.asked.size() == 1);
        phone.tap(*phone.panel->shown_page(), Verb::hang_up, "");
        REQUIRE(phone.doer.asked.size() == 2);
        CHECK(phone.doer.asked[1].verb == "hang up");
        phone.panel->call_changed({"ended", "112", ""});
        phone.press(KEY_ESC);
        CHECK(phone.panel->where() == "chooser");
    }
}

TEST_CASE("a screen that is too small for anything ends nothing") {
    Phone phone;
    phone.table.look.text_percent = 300;
    phone.panel->set_table(phone.table);
    phone.open_pad();
    CHECK(phone.panel->where() == "pad secure");
}
