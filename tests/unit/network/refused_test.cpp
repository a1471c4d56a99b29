// tests: what the rules of a mode refuse is told, with the line, and a mode that wants it told too
// often is not listened to more than others.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "runtime/network/keeper.h"
#include "runtime/network/part.h"
#include "runtime/network/prefix.h"
#include "runtime/network/wire.h"
#include "world.h"

using namespace pmos;
using namespace pmos::network;
using policy::Protocol;

namespace {

struct Told {
    explicit Told(policy::NetworkPlan plan) {
        auto made = Keeper::make(*loop, {NETWORK_KEY, NETWORK_LOOKUP, NETWORK_DNS});
        REQUIRE(made);
        keeper = std::move(*made);
        keeper->on_refused([this](const Refusal& refusal) { all.push_back(refusal); });
        keeper->on_deaf([](const auto&, const auto& why) { FAIL(why); });
        std::optional<Result<>> done;
        keeper->connect("anna", UniqueFd(::dup(mode.get())), std::move(plan), {},
                        [&](Result<> answer) { done = std::move(answer); });
        while (!done) sd_event_run(loop->get(), 1000000);
        REQUIRE(*done);
    }
    template <class Condition>
    bool until(Condition condition, int tenths = 50) {
        for (int i = 0; i < tenths && !condition(); ++i) sd_event_run(loop->get(), 100000);
        return condition();
    }
    const Refusal* find(const std::string& destination) const {
        for (const auto& one : all)
            if (one.destination == destination) return &one;
        return nullptr;
    }

    World world;
    UniqueFd mode = world.mode();
    std::unique_ptr<event::EventLoop> loop = std::move(*event::EventLoop::make());
    std::unique_ptr<Keeper> keeper;
    std::vector<Refusal> all;
};

policy::NetworkPlan lined() {
    auto plan = restricted({flow("198.51.100.0/24", Protocol::tcp, 80, 81),
                            flow("2001:db8:1::/64", Protocol::tcp, 80, 80)});
    plan.deny = {flow("198.51.100.9/32"), flow("198.51.100.1/32", Protocol::tcp, 81, 81)};
    plan.deny[1].pointer = "network/egress/deny/1";
    return plan;
}

}  // namespace

TEST_CASE("a connection that is refused is told with the line, and one that is not is not") {
    Told told(lined());
    const auto listener = listen_in(told.world, told.world.peer.borrow(), "198.51.100.1", 80);
    CHECK(connect_in(told.world, told.mode.borrow(), "198.51.100.1", 80).error == 0);
    const auto refused = [&](const std::string& address, int port) {
        return connect_in(told.world, told.mode.borrow(), address, port, kShortMs).error != 0;
    };
    CHECK(refused("198.51.100.1", 81));
    CHECK(refused("203.0.113.7", 443));
    CHECK(refused("2001:db8:1::1", 81));
    CHECK(refused("169.254.169.254", 80));
    REQUIRE(told.until([&] { return told.find("tcp/80 to 169.254.169.254") != nullptr; }));
    const auto* denied = told.find("tcp/81 to 198.51.100.1");
    REQUIRE(denied != nullptr);
    CHECK((denied->mode == "anna" && denied->reason == "denied" && denied->times == 1));
    CHECK(denied->pointer == "network/egress/deny/1");
    CHECK(denied->uid == 0);
    CHECK_FALSE(denied->inbound);
    const auto* other = told.find("tcp/443 to 203.0.113.7");
    REQUIRE(other != nullptr);
    CHECK((other->reason == "not-allowed" && other->pointer == "network/egress/allow"));
    REQUIRE(told.find("tcp/81 to 2001:db8:1::1") != nullptr);
    CHECK(told.find("tcp/80 to 169.254.169.254")->reason == "not-a-host");
    // Nothing of what the kernel sends of itself when a link comes up.
    CHECK(told.all.size() == 4);
}

TEST_CASE("another keeper hears of it, and none after the mode's end") {
    Told told(lined());
    std::optional<Result<>> done;
    told.keeper->connect("anna", UniqueFd(::dup(told.mode.get())), lined(), {},
                         [&](Result<> answer) { done = std::move(answer); });
    CHECK(told.until([&] { return done.has_value(); }));
    connect_in(told.world, told.mode.borrow(), "203.0.113.7", 443, kShortMs);
    CHECK(told.until([&] { return told.all.size() == 1; }));
    REQUIRE(told.keeper->disconnect("anna"));
    connect_in(told.world, told.mode.borrow(), "203.0.113.7", 444, kShortMs);
    CHECK_FALSE(told.until([&] { return told.all.size() > 1; }, 5));
}

TEST_CASE("who calls a mode in its tunnel's place is told of too") {
    // A wire's other end hands nothing on: the rules alone are asked here.
    World world;
    const auto mode = world.mode();
    auto plan = lined();
    plan.zone = policy::Zone::tunnel;
    policy::TunnelPeer everyone;
    everyone.allowed_ips = {IpPrefix{}};
    plan.tunnel.peers = {everyone};
    REQUIRE(connect_wire(world.phone, "anna", mode.borrow(), direct()));
    const auto room = Room::open(world.phone.home, mode.borrow());
    REQUIRE(room);
    REQUIRE(room->guard(plan, 0));
    REQUIRE(world.phone.nft.run("delete table inet pmos-anna", "cannot"));
    const auto loop = std::move(*event::EventLoop::make());
    std::vector<Refusal> all;
    const auto log = world.phone.home.inside(mode.borrow(), [&] {
        return RefusedLog::make(*loop, "anna", plan, [&](const auto& one) { all.push_back(one); });
    });
    REQUIRE(log);
    const auto wire = wire_of(world.phone, "anna");
    REQUIRE((wire && *wire));
    const auto part = part_of(*part_number((*wire)->name));
    connect_in(world, {}, address_text(part.mode4), 22, kShortMs);
    for (int i = 0; i < 50 && all.empty(); ++i) sd_event_run(loop->get(), 100000);
    REQUIRE(all.size() == 1);
    CHECK(all[0].destination == "tcp/22 from " + address_text(part.phone4));
    CHECK((all[0].inbound && all[0].reason == "not-allowed" && all[0].uid == kNobody));
    CHECK(all[0].pointer == "network/inbound");
}

TEST_CASE("a flood is told in a bounded number of lines") {
    Told told(lined());
    const auto fd = told.world.phone.home.inside(told.mode.borrow(), []() -> Result<UniqueFd> {
        return UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    });
    REQUIRE(fd);
    const auto where = prefix("203.0.113.7");
    sockaddr_in to{};
    to.sin_family = AF_INET;
    std::memcpy(&to.sin_addr, where.bytes.data(), 4);
    for (int i = 0; i < 200000; ++i) {
        to.sin_port = htons(static_cast<std::uint16_t>(1 + i % 60000));
        ::sendto(fd->get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
        if (i % 1000 == 0) sd_event_run(told.loop->get(), 0);
    }
    told.until([] { return false; }, 5);
    CHECK(told.all.size() > 10);
    CHECK(told.all.size() <= RefusedTally::kMost);
}
