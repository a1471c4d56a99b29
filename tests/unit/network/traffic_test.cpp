// tests: what a mode says to whom is counted from its first connection on, and in its own
// namespace.
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "runtime/network/keeper.h"
#include "world.h"

using namespace pmos;
using namespace pmos::network;

TEST_CASE("the bytes of a mode's connections are counted, and nobody else's") {
    World world;
    const auto loop = std::move(*event::EventLoop::make());
    auto made = Keeper::make(*loop, {NETWORK_KEY, NETWORK_LOOKUP, NETWORK_DNS});
    REQUIRE(made);
    auto& keeper = **made;
    keeper.on_deaf([](const auto&, const auto& why) { FAIL(why); });
    const auto mode = world.mode(), other = world.mode();
    const auto connect = [&](const std::string& name, BorrowedFd netns) {
        std::optional<Result<>> done;
        keeper.connect(name, UniqueFd(::dup(netns.get())), direct(), {},
                       [&](Result<> answer) { done = std::move(answer); });
        while (!done) sd_event_run(loop->get(), 1000000);
        REQUIRE(*done);
    };
    CHECK_FALSE(keeper.connections("anna"));
    connect("anna", mode.borrow());
    connect("berta", other.borrow());
    const auto none = keeper.connections("anna");
    REQUIRE(none);
    CHECK((none->rows.empty() && none->others == 0));
    // What the phone counts is the phone's affair.
    CHECK(setting("netfilter/nf_conntrack_acct") == "0");

    const auto listener = listen_in(world, world.peer.borrow(), "198.51.100.1", 80);
    std::vector<Connection> connections;
    for (int i = 0; i < 3; ++i) {
        connections.push_back(connect_in(world, mode.borrow(), "198.51.100.1", 80));
        REQUIRE(connections.back().error == 0);
        const auto accepted = accept_from(listener.borrow());
        CHECK(talks(connections.back(), accepted.borrow()));
    }
    const std::string much(8000, 'x');
    REQUIRE(::send(connections[0].fd.get(), much.data(), much.size(), MSG_NOSIGNAL) > 0);
    ::usleep(100000);
    const auto table = keeper.connections("anna");
    REQUIRE(table);
    REQUIRE(table->rows.size() == 1);
    const auto& row = table->rows[0];
    CHECK((row.address == "198.51.100.1" && row.port == 80 && row.protocol == "tcp"));
    CHECK((row.connections == 3 && !row.inbound && row.name.empty()));
    CHECK(row.sent > 8000);
    CHECK(row.received > 100);
    CHECK(keeper.connections("berta")->rows.empty());
    REQUIRE(keeper.disconnect("anna"));
    CHECK_FALSE(keeper.connections("anna"));
}
