// tests: a mode's session bus over its socket, as programs use it and as they should not.
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <optional>

#include "wire.h"

using namespace pmos;
using namespace pmos::notify;
using namespace std::chrono_literals;

namespace {

struct Place {
    Place() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
    ~Place() { std::filesystem::remove_all(path); }
    std::string path = "/tmp/pmos-notify-XXXXXX";
};

constexpr const char* kPathOfNotes = "/org/freedesktop/Notifications";
constexpr const char* kNotes = "org.freedesktop.Notifications";
constexpr const char* kSaver = "org.freedesktop.ScreenSaver";
constexpr const char* kOthers = "org.pmos.Notifications1";
constexpr const char* kDriver = "org.freedesktop.DBus";

int on_signal(sd_bus_message* m, void* userdata, sd_bus_error*) {
    auto& signals = *static_cast<std::vector<std::string>*>(userdata);
    std::string text = sd_bus_message_get_member(m);
    std::uint32_t id = 0, reason = 0;
    const char* action = nullptr;
    if (text == "NotificationClosed" && sd_bus_message_read(m, "uu", &id, &reason) > 0)
        text += " " + std::to_string(id) + " " + std::to_string(reason);
    if (text == "ActionInvoked" && sd_bus_message_read(m, "us", &id, &action) > 0)
        text += " " + std::to_string(id) + " " + action;
    signals.push_back(text);
    return 0;
}

// A program of anna, by sd-bus.
struct Program {
    explicit Program(Wire& wire) : wire_(wire) {
        UniqueFd fd = wire.connected();
        sd_bus* made = nullptr;
        REQUIRE(sd_bus_new(&made) >= 0);
        bus.reset(made);
        REQUIRE(sd_bus_set_fd(made, fd.get(), fd.get()) >= 0);
        static_cast<void>(fd.release());
        REQUIRE(sd_bus_start(made) >= 0);
        for (const char* interface : {kNotes, kOthers})
            REQUIRE(sd_bus_match_signal(made, nullptr, nullptr, nullptr, interface, nullptr,
                                        on_signal, &signals) >= 0);
        REQUIRE(sd_bus_attach_event(made, wire.loop->get(), SD_EVENT_PRIORITY_NORMAL) >= 0);
    }
    // nullptr: an error, whose name is in `error`.
    event::MessagePtr call(const char* path, const char* interface, const char* member,
                           const std::function<int(sd_bus_message*)>& append = nullptr) {
        sd_bus_message* made = nullptr;
        REQUIRE(sd_bus_message_new_method_call(bus.get(), &made, nullptr, path, interface,
                                               member) >= 0);
        const event::MessagePtr request(made);
        if (append) REQUIRE(append(made) >= 0);
        event::MessagePtr reply;
        bool answered = false;
        sd_bus_slot* slot = nullptr;
        struct Into {
            event::MessagePtr& reply;
            bool& answered;
        } into{reply, answered};
        REQUIRE(sd_bus_call_async(
                    bus.get(), &slot, made,
                    [](sd_bus_message* m, void* userdata, sd_bus_error*) {
                        auto& to = *static_cast<Into*>(userdata);
                        to.answered = true;
                        to.reply = event::share(m);
                        return 0;
                    },
                    &into, 5'000'000) >= 0);
        REQUIRE(wire_until([&] { return answered; }));
        sd_bus_slot_unref(slot);
        error.clear();
        if (const auto* why = sd_bus_message_get_error(reply.get()); why != nullptr) {
            error = why->name;
            reply.reset();
        }
        return reply;
    }
    std::uint32_t number(const event::MessagePtr& reply) const {
        std::uint32_t value = 0;
        if (reply) sd_bus_message_read(reply.get(), "u", &value);
        return value;
    }
    std::uint32_t notify(const char* summary, const char* body, std::int32_t timeout = -1) {
        return number(call(kPathOfNotes, kNotes, "Notify", [&](sd_bus_message* m) {
            return sd_bus_message_append(m, "susssasa{sv}i", "prog", 0U, "/icon.png", summary, body,
                                         2, "open", "Open", 3, "urgency", "y", 2, "image-path", "s",
                                         "/etc/shadow", "sound-file", "s", "/x.wav", timeout);
        }));
    }
    template <class Condition>
    bool wire_until(Condition condition) {
        const auto last = std::chrono::steady_clock::now() + 5s;
        while (!condition() && std::chrono::steady_clock::now() < last)
            sd_event_run(wire_.loop->get(), 10000);
        return condition();
    }
    bool hears(const std::string& signal) {
        return wire_until([&] { return std::ranges::find(signals, signal) != signals.end(); });
    }

    Wire& wire_;
    event::BusPtr bus;
    std::string error;
    std::vector<std::string> signals;
};

const Note& only(const Wire& wire) {
    const auto shown = wire.broker.shown_to_host();
    REQUIRE(shown.size() == 1);
    REQUIRE(shown[0].notes != nullptr);
    REQUIRE(shown[0].count == 1);
    return shown[0].notes->all().front();
}

}  // namespace

TEST_CASE("a program's notification is taken as text, and nothing else of it") {
    Place place;
    Wire wire(place.path);
    Program program(wire);
    CHECK(program.notify("<b>Hello</b>", "line\nand <i>more</i>\x1b[0m") == 1);
    const Note& note = only(wire);
    CHECK(note.program == "prog");
    CHECK(note.summary == "Hello");
    CHECK(note.body == "line\nand more[0m");
    CHECK(note.urgency == Urgency::critical);
    REQUIRE(note.actions.size() == 1);
    CHECK(note.actions[0] == std::pair<std::string, std::string>{"open", "Open"});
}

TEST_CASE("what a program asks of a server before it speaks is answered") {
    Place place;
    Wire wire(place.path);
    Program program(wire);
    const auto server = program.call(kPathOfNotes, kNotes, "GetServerInformation");
    REQUIRE(server);
    const char *name = nullptr, *vendor = nullptr, *version = nullptr, *spec = nullptr;
    CHECK(sd_bus_message_read(server.get(), "ssss", &name, &vendor, &version, &spec) > 0);
    CHECK(std::string_view(name) == "pmos-notify");
    CHECK(std::string_view(spec) == "1.2");
    const auto able = program.call(kPathOfNotes, kNotes, "GetCapabilities");
    REQUIRE(able);
    std::vector<std::string> capabilities;
    CHECK(event::read_strings(able.get(), capabilities) >= 0);
    CHECK(capabilities == std::vector<std::string>{"actions", "body", "persistence"});
}

TEST_CASE("who closes what, and what a person does, is told to the mode's programs") {
    Place place;
    Wire wire(place.path);
    Program program(wire), other(wire);
    // A bus's clients speak first: they say Hello.
    REQUIRE(other.call(kPathOfNotes, kNotes, "GetCapabilities"));
    REQUIRE(program.notify("one", "") == 1);
    REQUIRE(program.notify("two", "") == 2);
    const auto close = [&](std::uint32_t id) {
        return program.call(kPathOfNotes, kNotes, "CloseNotification",
                            [&](sd_bus_message* m) { return sd_bus_message_append(m, "u", id); });
    };
    CHECK(close(1));
    CHECK(other.hears("NotificationClosed 1 3"));
    CHECK_FALSE(close(1));
    CHECK(program.error == "org.pmos.Error.NotFound");
    CHECK(wire.broker.invoke("anna", 2, "open"));
    CHECK(other.hears("ActionInvoked 2 open"));
    CHECK(other.hears("NotificationClosed 2 2"));
}

TEST_CASE("a notification that is none is refused") {
    Place place;
    Wire wire(place.path);
    Program program(wire);
    const auto send = [&](unsigned actions, std::size_t key) {
        return program.call(kPathOfNotes, kNotes, "Notify", [&](sd_bus_message* m) {
            int r = sd_bus_message_append(m, "susss", "p", 0U, "", "s", "b");
            if (r >= 0) r = sd_bus_message_open_container(m, 'a', "s");
            for (unsigned i = 0; i < actions && r >= 0; ++i)
                r = sd_bus_message_append(m, "s", std::string(key, 'k').c_str());
            if (r >= 0) r = sd_bus_message_close_container(m);
            return r < 0 ? r : sd_bus_message_append(m, "a{sv}i", 0, -1);
        });
    };
    CHECK_FALSE(send(3, 1));
    CHECK_FALSE(send(2, 65));
    CHECK_FALSE(send(18, 1));
    CHECK(wire.broker.shown_to_host().empty());
    CHECK(send(16, 64));
}

TEST_CASE("hints of other kinds than they should be are passed over") {
    Place place;
    Wire wire(place.path);
    Program program(wire);
    CHECK(program.call(kPathOfNotes, kNotes, "Notify", [](sd_bus_message* m) {
        return sd_bus_message_append(m, "susssasa{sv}i", "p", 0U, "", "s", "b", 0, 4, "urgency",
                                     "i", 2, "transient", "i", 1, "resident", "s", "yes", "x-else",
                                     "(ii)", 1, 2, 0);
    }));
    CHECK(only(wire).urgency == Urgency::normal);
    CHECK_FALSE(only(wire).resident);
    CHECK(only(wire).due == Clock::time_point::max());
}

TEST_CASE("a picture is read over and not kept, and one that is too large ends its client") {
    Place place;
    Wire wire(place.path);
    const auto send = [](Program& program, std::size_t bytes) {
        const std::vector<std::uint8_t> picture(bytes, 7);
        return program.call(kPathOfNotes, kNotes, "Notify", [&](sd_bus_message* m) {
            int r = sd_bus_message_append(m, "susssas", "p", 0U, "", "s", "b", 0);
            if (r >= 0) r = sd_bus_message_open_container(m, 'a', "{sv}");
            if (r >= 0) r = sd_bus_message_open_container(m, 'e', "sv");
            if (r >= 0) r = sd_bus_message_append(m, "s", "image-data");
            if (r >= 0) r = sd_bus_message_open_container(m, 'v', "ay");
            if (r >= 0) r = sd_bus_message_append_array(m, 'y', picture.data(), picture.size());
            for (int i = 0; i < 3 && r >= 0; ++i) r = sd_bus_message_close_container(m);
            return r < 0 ? r : sd_bus_message_append(m, "i", -1);
        });
    };
    Program good(wire);
    CHECK(send(good, 256U << 10U));
    CHECK(wire.face->clients() == 1);
    Program loud(wire);
    CHECK_FALSE(send(loud, 1U << 20U));
    CHECK(loud.wire_until([&] { return wire.face->clients() == 1; }));
    CHECK(good.notify("still", "there") == 2);
}

TEST_CASE("the screen is kept on for who asked, by its own cookie, as long as it is there") {
    Place place;
    Wire wire(place.path);
    Program other(wire);
    const auto wants = [&] {
        const auto uses = wire.broker.uses();
        return std::ranges::any_of(uses, [](const ModeUse& use) { return use.wants_awake; });
    };
    const auto inhibit = [](Program& program, const char* path) {
        return program.number(program.call(path, kSaver, "Inhibit", [](sd_bus_message* m) {
            return sd_bus_message_append(m, "ss", "player", "a film");
        }));
    };
    std::optional<Program> player(std::in_place, wire);
    const auto cookie = inhibit(*player, "/org/freedesktop/ScreenSaver");
    CHECK(cookie != 0);
    CHECK(inhibit(*player, "/ScreenSaver") != cookie);
    CHECK(wants());
    CHECK_FALSE(other.call("/ScreenSaver", kSaver, "UnInhibit", [&](sd_bus_message* m) {
        return sd_bus_message_append(m, "u", cookie);
    }));
    CHECK(player->call("/ScreenSaver", kSaver, "UnInhibit",
                       [&](sd_bus_message* m) { return sd_bus_message_append(m, "u", cookie); }));
    CHECK(wants());
    player.reset();
    CHECK(other.wire_until([&] { return !wants(); }));
    wire.anna().keeps_awake = false;
    wire.begin();
    CHECK(inhibit(other, "/ScreenSaver") == 0);
    CHECK(other.error == "org.freedesktop.DBus.Error.AccessDenied");
}

TEST_CASE("in front a program sees of other modes what they let be seen") {
    Place place;
    Wire wire(place.path);
    Program program(wire);
    const auto list = [&] {
        std::string out;
        const auto reply = program.call("/org/pmos/Notifications1", kOthers, "List");
        REQUIRE(reply);
        auto* m = reply.get();
        const char *mode = nullptr, *summary = nullptr, *body = nullptr;
        std::uint32_t count = 0;
        std::uint8_t urgency = 0;
        sd_bus_message_enter_container(m, 'a', "(sua(ssy))");
        while (sd_bus_message_enter_container(m, 'r', "sua(ssy)") > 0) {
            sd_bus_message_read(m, "su", &mode, &count);
            out += std::string(mode) + " " + std::to_string(count);
            sd_bus_message_enter_container(m, 'a', "(ssy)");
            while (sd_bus_message_read(m, "(ssy)", &summary, &body, &urgency) > 0)
                out += std::string(" ") + summary + "/" + body;
            sd_bus_message_exit_container(m);
            sd_bus_message_exit_container(m);
        }
        return out;
    };
    CHECK(list().empty());
    wire.say("berta", "secret");
    CHECK(program.hears("Changed"));
    CHECK(list() == "berta 1");
    wire.berta().telling = Telling::full;
    wire.begin();
    CHECK(list() == "berta 1 secret/");
    wire.anna().foreground = false;
    wire.begin();
    CHECK(list().empty());
}

TEST_CASE("a program can have names of its own on its session bus, and not the broker's") {
    Place place;
    Wire wire(place.path);
    Program program(wire), other(wire);
    const auto request = [](Program& who, const std::string& name) {
        return who.number(who.call(
            "/org/freedesktop/DBus", kDriver, "RequestName",
            [&](sd_bus_message* m) { return sd_bus_message_append(m, "su", name.c_str(), 0U); }));
    };
    CHECK(request(program, "org.example.App") == 1);
    CHECK(request(program, "org.example.App") == 4);
    CHECK(request(other, "org.example.App") == 1);
    CHECK(request(program, kNotes) == 3);
    for (const char* wrong : {"org.freedesktop.DBus", ":1.7", "none", ""})
        CHECK(request(program, wrong) == 0);
    for (int i = 0; i < 15; ++i) CHECK(request(program, "org.example.A" + std::to_string(i)) == 1);
    CHECK(request(program, "org.example.More") == 0);
    CHECK(program.number(
              program.call("/org/freedesktop/DBus", kDriver, "ReleaseName", [](sd_bus_message* m) {
                  return sd_bus_message_append(m, "s", "org.example.App");
              })) == 1);
    CHECK(request(program, "org.example.More") == 1);
}

TEST_CASE("who is loud is let go, and the face goes on") {
    Place place;
    Wire wire(place.path);
    for (const std::string& noise :
         {std::string(1 << 20, 'x'), std::string(peer::kGreeting) + std::string(1 << 18, '\xff'),
          std::string(peer::kGreeting) + std::string{'l', 1, 0, 1} + peer::number(1U << 30U) +
              peer::number(1) + peer::number(1U << 30U)}) {
        REQUIRE(wire.connect());
        wire.say_bytes(noise);
        for (int i = 0; i < 100 && wire.face->clients() != 0; ++i) wire.turn(5000);
        CHECK(wire.face->clients() == 0);
    }
    Program program(wire);
    CHECK(program.notify("still", "there") == 1);
}
