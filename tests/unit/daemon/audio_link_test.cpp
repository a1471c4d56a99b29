// tests: pmosd's end of the sound's broker, with a process at the other end that may be stuck.
#include "runtime/daemon/audio_link.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>

#include "runtime/peer/face.h"

using namespace pmos;
using namespace pmos::daemon;
using namespace std::chrono_literals;

namespace {

// Writes what it is told into a pipe: a letter for each table, 'n' where it has no mode, 'o' where
// the first mode's microphone is open and 's' where it is not. Stuck, where it is to be, when that
// is taken from it.
struct Broker {
    int pipe = -1;
    bool sticks = false, was_open = false;
};

int set_table(sd_bus_message* m, void* userdata, sd_bus_error*) {
    auto& broker = *static_cast<Broker*>(userdata);
    std::uint8_t playback = 0, capture = 0;
    const char* name = nullptr;
    std::uint32_t id = 0;
    int moves = 0;
    sd_bus_message_enter_container(m, 'a', audio::kModeSignature);
    sd_bus_message_read(m, audio::kModeSignature, &name, &id, &playback, &capture, &moves);
    const bool open = capture == static_cast<std::uint8_t>(audio::Gate::open);
    const char letter = name == nullptr ? 'n' : open ? 'o' : 's';
    if (::write(broker.pipe, &letter, 1) != 1) ::_exit(3);
    if (letter == 's' && broker.was_open && broker.sticks)
        for (;;) ::pause();
    broker.was_open = letter == 'o';
    return sd_bus_reply_method_return(m, "asass", 1, "anna", 0, "");
}

const sd_bus_vtable kVtable[] = {SD_BUS_VTABLE_START(0),
                                 SD_BUS_METHOD("SetTable", "a(suyyb)", "asass", set_table, 0),
                                 SD_BUS_VTABLE_END};

[[noreturn]] void serve(const std::string& dir, Broker broker) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto loop = EventLoop::make();
    peer::Face::Rules rules;
    rules.prepare = [&](peer::Face::Peer& peer) {
        return sd_bus_add_object_vtable(peer.bus.get(), nullptr, audio::kPath,
                                        audio::kControlInterface, kVtable, &broker);
    };
    rules.admits = [](const ucred&) { return true; };
    const auto face = peer::Face::make(**loop, dir + "/control", std::move(rules));
    if (!face) ::_exit(2);
    static_cast<void>((*loop)->run());
    ::_exit(0);
}

// A process that becomes the broker when it is let. Made before this one has a loop: sd-event's is
// a process's own.
struct Child {
    Child(const std::string& dir, bool sticks) {
        int go_ends[2], told_ends[2];
        REQUIRE(::pipe2(go_ends, O_CLOEXEC) == 0);
        REQUIRE(::pipe2(told_ends, O_CLOEXEC | O_NONBLOCK) == 0);
        pid = ::fork();
        if (pid == 0) {
            char letter = 0;
            if (::read(go_ends[0], &letter, 1) != 1) ::_exit(1);
            serve(dir, {told_ends[1], sticks});
        }
        ::close(go_ends[0]);
        ::close(told_ends[1]);
        go.reset(go_ends[1]);
        told.reset(told_ends[0]);
    }
    ~Child() { end(); }
    void begin(const std::string& dir) {
        const auto socket = dir + "/control";
        ::unlink(socket.c_str());
        REQUIRE(::write(go.get(), "g", 1) == 1);
        for (int i = 0; i < 500 && ::access(socket.c_str(), F_OK) != 0; ++i) ::usleep(10000);
    }
    void end() {
        if (pid <= 0) return;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        pid = -1;
    }
    pid_t pid = -1;
    UniqueFd go, told;
};

std::string made_directory() {
    std::string name = "/tmp/pmos-audio-link-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    return name;
}

struct Ends {
    explicit Ends(bool sticks = false) : first(dir, sticks), second(dir, false) {
        auto plan = std::make_shared<policy::LaunchPlan>();
        plan->uid_map = {{0, 100000, 65536}};
        plan->audio.capture = policy::Presence::foreground;
        auto& mode = modes["anna"] = std::make_unique<Mode>(*loop, "anna");
        mode->running.emplace();
        mode->running->plan = plan;
        mode->state = State::running;
        first.begin(dir);
        link.begin();
    }
    ~Ends() { std::filesystem::remove_all(dir); }
    Mode& anna() { return *modes["anna"]; }
    template <class Condition>
    bool until(Condition condition, std::chrono::seconds limit = 5s) {
        const auto last = std::chrono::steady_clock::now() + limit;
        while (!condition() && std::chrono::steady_clock::now() < last)
            sd_event_run(loop->get(), 10000);
        return condition();
    }
    // All that it was told.
    std::string letters() {
        char more[64];
        const auto n = ::read(now->told.get(), more, sizeof more);
        if (n > 0) all.append(more, static_cast<std::size_t>(n));
        return all;
    }
    bool revoke(std::chrono::seconds limit = 5s) {
        bool done = false;
        link.revoke(anna(), [&](Result<> result) { done = result.has_value(); });
        return until([&] { return done; }, limit);
    }

    std::string dir = made_directory(), all;
    Child first, second;
    Child* now = &first;
    std::unique_ptr<EventLoop> loop = std::move(*EventLoop::make());
    Modes modes;
    std::vector<std::string> heard;
    AudioLink link{*loop, dir, modes,
                   [this](const audio::Users& users) { heard = users.recording; },
                   [this](std::string_view) { ++ended; }};
    int ended = 0;
};

}  // namespace

TEST_CASE("sound is taken before a revocation is answered, and given with a grant") {
    Ends ends;
    REQUIRE(ends.until([&] { return ends.link.why_not().empty(); }));
    bool granted = false;
    ends.link.grant(ends.anna(), [&](Result<> result) { granted = result.has_value(); });
    CHECK(granted);
    REQUIRE(ends.until([&] { return ends.letters().ends_with('o'); }));
    CHECK(ends.heard == std::vector<std::string>{"anna"});
    CHECK(ends.revoke());
    CHECK(ends.letters().ends_with('s'));
    // Taken twice is taken.
    const auto before = ends.letters();
    CHECK(ends.revoke());
    CHECK(ends.letters() == before);
}

TEST_CASE("a new pmosd never says that no mode has sound") {
    Ends ends;
    REQUIRE(ends.until([&] { return ends.link.why_not().empty(); }));
    CHECK(ends.letters().find('n') == std::string::npos);
}

TEST_CASE("a broker that is stuck is ended, and the switch goes on") {
    Ends ends(true);
    REQUIRE(ends.until([&] { return ends.link.why_not().empty(); }));
    ends.link.grant(ends.anna(), [](const Result<>&) {});
    REQUIRE(ends.until([&] { return ends.letters().ends_with('o'); }));
    CHECK(ends.revoke(10s));
    int status = 0;
    REQUIRE(::waitpid(ends.first.pid, &status, 0) == ends.first.pid);
    ends.first.pid = -1;
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
    CHECK(ends.heard.empty());
}

TEST_CASE("without a broker there is no sound to be taken, and a new one is told all of it") {
    Ends ends;
    REQUIRE(ends.until([&] { return ends.link.why_not().empty(); }));
    ends.link.grant(ends.anna(), [](const Result<>&) {});
    REQUIRE(ends.until([&] { return ends.letters().ends_with('o'); }));
    ends.first.end();
    CHECK(ends.revoke());
    ends.link.grant(ends.anna(), [](const Result<>&) {});
    ends.now = &ends.second;
    ends.all.clear();
    ends.second.begin(ends.dir);
    CHECK(ends.until([&] { return ends.letters().starts_with('o'); }));
}

TEST_CASE("one that dies before it answers has taken it") {
    Ends ends(true);
    REQUIRE(ends.until([&] { return ends.link.why_not().empty(); }));
    ends.link.grant(ends.anna(), [](const Result<>&) {});
    REQUIRE(ends.until([&] { return ends.letters().ends_with('o'); }));
    bool done = false;
    ends.link.revoke(ends.anna(), [&](Result<> result) { done = result.has_value(); });
    REQUIRE(ends.until([&] { return ends.letters().ends_with('s'); }));
    CHECK_FALSE(done);
    ends.first.end();
    CHECK(ends.until([&] { return done; }));
}
