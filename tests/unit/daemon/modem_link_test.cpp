// tests: pmosd's end of the modem's broker and the broker's own, over a socket.
#include "runtime/daemon/modem_link.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>

#include "../modem/fake_radio.h"
#include "runtime/modem/control_face.h"

using namespace pmos;
using namespace pmos::daemon;
using namespace std::chrono_literals;

namespace {

// The broker's process, without its process.
struct FarEnd : modem::Broker::Listener {
    explicit FarEnd(const std::string& dir) {
        auto made = modem::ControlFace::make(*world.loop, world.broker, dir + "/control");
        REQUIRE(made);
        face = std::move(*made);
        world.broker.listen(*this);
    }
    void modes_changed() override { face->look_at_calls(); }
    void lines_changed(const std::string&) override {}
    void call_added(const std::string&, unsigned) override { face->look_at_calls(); }
    void call_changed(const std::string&, unsigned, modem::CallState) override {
        face->look_at_calls();
    }
    void call_removed(const std::string&, unsigned) override { face->look_at_calls(); }
    void text_added(const std::string&, unsigned) override {}
    void text_changed(const std::string&, unsigned) override {}
    void text_removed(const std::string&, unsigned) override {}
    void bearer_added(const std::string&, unsigned) override {}
    void bearer_changed(const std::string&, unsigned) override {}
    void bearer_removed(const std::string&, unsigned) override {}
    void call_came(const std::string& mode) override { face->call_came(mode); }
    void text_came(const std::string& mode) override { face->text_came(mode); }
    void emergency_changed() override {}
    void owner_not_kept(const Error&) override {}

    modem::World world;
    std::unique_ptr<modem::ControlFace> face;
};

std::string made_directory() {
    std::string name = "/tmp/pmos-modem-link-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    return name;
}

struct Ends {
    std::string dir = made_directory();
    std::unique_ptr<EventLoop> loop = std::move(*EventLoop::make());
    std::unique_ptr<FarEnd> far;
    std::vector<std::string> heard;
    ModemLink link{*loop, dir, ears()};

    ~Ends() {
        far.reset();
        std::filesystem::remove_all(dir);
    }
    ModemLink::Heard ears() {
        return {[this](const std::string& mode) { heard.push_back("call " + mode); },
                [this](const std::string& mode) { heard.push_back("message " + mode); },
                [this](const std::vector<std::string>& modes) {
                    std::string text = "on call:";
                    for (const auto& mode : modes) text += " " + mode;
                    heard.push_back(text);
                }};
    }
    // Both loops, until it is so; a second or two at most.
    template <class Condition>
    bool until(Condition condition) {
        const auto end = std::chrono::steady_clock::now() + 2s;
        while (!condition() && std::chrono::steady_clock::now() < end) {
            sd_event_run(loop->get(), 1000);
            if (far) sd_event_run(far->world.loop->get(), 1000);
        }
        return condition();
    }
    bool has_heard(const std::string& what) {
        return until([&] { return std::ranges::find(heard, what) != heard.end(); });
    }
};

modem::Table table_of(const std::string& fallback) {
    modem::Table table;
    for (const char* name : {"anna", "berta"}) {
        modem::ModeRights mode;
        mode.name = name;
        mode.id_start = 100000;
        mode.id_count = 65536;
        mode.sms = mode.voice = mode.running = true;
        table.modes.push_back(mode);
    }
    table.modes[1].emergency = true;
    table.modes[1].numbers = {"+1555*"};
    table.modes[1].lines = {"second"};
    table.fallback = fallback;
    table.emergency = {"110"};
    return table;
}

}  // namespace

TEST_CASE("the broker goes by what it is told, also when it comes later and when it comes again") {
    Ends ends;
    const auto table = table_of("anna");
    ends.link.tell(table);
    CHECK_FALSE(ends.link.why_not().empty());
    ends.far = std::make_unique<FarEnd>(ends.dir);
    REQUIRE(ends.until([&] { return ends.link.why_not().empty(); }));
    CHECK(ends.far->world.broker.table() == table);
    const auto other = table_of("berta");
    ends.link.tell(other);
    CHECK(ends.until([&] { return ends.far->world.broker.table() == other; }));

    ends.far.reset();
    REQUIRE(ends.until([&] { return !ends.link.why_not().empty(); }));
    ends.far = std::make_unique<FarEnd>(ends.dir);
    REQUIRE(ends.until([&] { return ends.link.why_not().empty(); }));
    CHECK(ends.far->world.broker.table() == other);
}

TEST_CASE("who is called is heard, and when that is over") {
    Ends ends;
    ends.far = std::make_unique<FarEnd>(ends.dir);
    ends.link.tell(table_of("anna"));
    REQUIRE(ends.has_heard("on call:"));
    ends.far->world.ring("c1", "+15551");
    CHECK(ends.has_heard("on call: berta"));
    CHECK(ends.has_heard("call berta"));
    ends.far->world.receive("t1", "+2", "hello");
    CHECK(ends.has_heard("message anna"));
    ends.heard.clear();
    ends.far->world.set("c1", modem::CallState::terminated);
    CHECK(ends.has_heard("on call:"));
    CHECK(std::ranges::find(ends.heard, "call berta") == ends.heard.end());
}

TEST_CASE("a call outlives the broker that knew of it") {
    Ends ends;
    ends.far = std::make_unique<FarEnd>(ends.dir);
    ends.link.tell(table_of("anna"));
    ends.far->world.ring("c1", "+15551");
    REQUIRE(ends.has_heard("on call: berta"));
    ends.far.reset();
    REQUIRE(ends.until([&] { return !ends.link.why_not().empty(); }));
    ends.heard.clear();
    ends.far = std::make_unique<FarEnd>(ends.dir);
    REQUIRE(ends.until([&] { return ends.link.why_not().empty(); }));
    // The new one has not found it yet.
    CHECK(ends.has_heard("on call: berta"));
    CHECK(std::ranges::find(ends.heard, "on call:") == ends.heard.end());
}

TEST_CASE("a broker that refuses is not asked again and again") {
    Ends ends;
    ends.far = std::make_unique<FarEnd>(ends.dir);
    auto table = table_of("anna");
    table.modes[0].name = "No Mode";
    ends.link.tell(table);
    REQUIRE(ends.until([&] { return ends.link.why_not().contains("nvalid"); }));
    ends.until([] { return false; });
    CHECK(ends.far->world.broker.table().modes.empty());
    CHECK_FALSE(ends.link.why_not().empty());
}

TEST_CASE("a pmosd that comes in the middle of a call is told of it") {
    Ends ends;
    ends.far = std::make_unique<FarEnd>(ends.dir);
    ends.far->world.begin();
    ends.far->world.ring("c1", "+3");
    ends.link.tell(table_of("berta"));
    CHECK(ends.has_heard("on call: anna"));
}
