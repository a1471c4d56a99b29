// tests: the screen is kept on by locks of logind's, one at a time, and by none that nobody wants.
#include "runtime/daemon/idle_lock.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <list>

#include "fake_fprintd.h"

using namespace pmos;
using namespace pmos::daemon;
using namespace std::chrono_literals;

namespace {

// Gives the writing end of a pipe, as logind does, and sees by the reading one whether it is held.
struct FakeLogind {
    struct Lock {
        std::string words;
        UniqueFd end;
    };
    FakeLogind(const test::PrivateBus& on, EventLoop& loop) : bus(on.connect(loop)) {
        static const sd_bus_vtable kTable[] = {
            SD_BUS_VTABLE_START(0),
            SD_BUS_METHOD("Inhibit", "ssss", "h", inhibit, SD_BUS_VTABLE_UNPRIVILEGED),
            SD_BUS_VTABLE_END};
        REQUIRE(sd_bus_add_object_vtable(bus, nullptr, "/org/freedesktop/login1",
                                         "org.freedesktop.login1.Manager", kTable, this) >= 0);
        REQUIRE(sd_bus_request_name(bus, "org.freedesktop.login1", 0) >= 0);
    }
    ~FakeLogind() { sd_bus_flush_close_unref(bus); }
    FakeLogind(const FakeLogind&) = delete;
    FakeLogind& operator=(const FakeLogind&) = delete;

    static int inhibit(sd_bus_message* m, void* userdata, sd_bus_error* error) {
        auto& self = *static_cast<FakeLogind*>(userdata);
        const char *what = nullptr, *who = nullptr, *why = nullptr, *how = nullptr;
        if (const int r = sd_bus_message_read(m, "ssss", &what, &who, &why, &how); r < 0) return r;
        if (self.refuses) return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "not for you");
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return -errno;
        const UniqueFd given(ends[1]);
        self.locks.push_back(
            {std::string(what) + "|" + who + "|" + why + "|" + how, UniqueFd(ends[0])});
        return sd_bus_reply_method_return(m, "h", given.get());
    }
    std::vector<std::string> held() {
        std::vector<std::string> out;
        for (const auto& lock : locks) {
            pollfd one{lock.end.get(), POLLIN, 0};
            if (::poll(&one, 1, 0) == 0) out.push_back(lock.words);
        }
        return out;
    }

    sd_bus* bus;
    bool refuses = false;
    std::list<Lock> locks;
};

struct Phone {
    template <class Condition>
    bool until(Condition condition) {
        const auto last = std::chrono::steady_clock::now() + 5s;
        while (!condition() && std::chrono::steady_clock::now() < last)
            sd_event_run(loop->get(), 10000);
        return condition();
    }
    ~Phone() { sd_bus_flush_close_unref(ours); }

    test::PrivateBus bus;
    std::unique_ptr<EventLoop> loop = std::move(*EventLoop::make());
    sd_bus* ours = bus.connect(*loop);
};

std::vector<std::string> only(const std::string& mode) {
    return {"idle|pmos|mode " + mode + "|block"};
}

}  // namespace

TEST_CASE(
    "a mode keeps the screen on by one lock, in its own name, until it is another's or nobody's") {
    Phone phone;
    FakeLogind logind(phone.bus, *phone.loop);
    IdleLock lock(phone.ours);
    REQUIRE(phone.until([&] { return lock.why_not().empty(); }));
    CHECK(logind.locks.empty());
    lock.keep_awake("anna");
    CHECK(phone.until([&] { return logind.held() == only("anna"); }));
    lock.keep_awake("anna");
    lock.keep_awake("berta");
    CHECK(phone.until([&] { return logind.held() == only("berta"); }));
    CHECK(logind.locks.size() == 2);
    lock.keep_awake("");
    CHECK(phone.until([&] { return logind.held().empty(); }));
}

TEST_CASE("a lock that nobody wants any more when it comes is given back") {
    Phone phone;
    FakeLogind logind(phone.bus, *phone.loop);
    IdleLock lock(phone.ours);
    REQUIRE(phone.until([&] { return lock.why_not().empty(); }));
    lock.keep_awake("anna");
    lock.keep_awake("");
    CHECK(phone.until([&] { return logind.locks.size() == 1; }));
    CHECK(phone.until([&] { return logind.held().empty(); }));
}

TEST_CASE("without logind nothing is kept on, and one that comes later is asked") {
    Phone phone;
    IdleLock lock(phone.ours);
    lock.keep_awake("anna");
    for (int i = 0; i < 20; ++i) sd_event_run(phone.loop->get(), 10000);
    CHECK(lock.why_not() == "there is no systemd-logind");
    {
        FakeLogind logind(phone.bus, *phone.loop);
        CHECK(phone.until([&] { return logind.held() == only("anna"); }));
        CHECK(lock.why_not().empty());
    }
    CHECK(phone.until([&] { return !lock.why_not().empty(); }));
    FakeLogind another(phone.bus, *phone.loop);
    CHECK(phone.until([&] { return another.held() == only("anna"); }));
}

TEST_CASE("what logind refuses is said") {
    Phone phone;
    FakeLogind logind(phone.bus, *phone.loop);
    logind.refuses = true;
    IdleLock lock(phone.ours);
    REQUIRE(phone.until([&] { return lock.why_not().empty(); }));
    lock.keep_awake("anna");
    CHECK(phone.until([&] { return lock.why_not() == "not for you"; }));
}
