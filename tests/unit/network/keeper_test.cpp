// tests: who has what network, when others meddle with it, and when pmos-net is another.
#include "runtime/network/keeper.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "policy/launch_plan.h"
#include "runtime/event/bus_call.h"
#include "runtime/network/part.h"
#include "runtime/network/protocol.h"
#include "runtime/network/rules.h"
#include "runtime/network/wire.h"
#include "world.h"

using namespace pmos;
using namespace pmos::network;

namespace {

// A World with a pmos-net of the test's own.
struct Kept {
    Kept() { begin(); }
    void begin() {
        keeper.reset();
        auto made = Keeper::make(*loop, {NETWORK_KEY, NETWORK_LOOKUP, NETWORK_DNS});
        REQUIRE(made);
        keeper = std::move(*made);
        keeper->on_lost([this](const auto& mode, const auto& why) { lost = mode + ": " + why; });
    }
    Result<> connect(const std::string& mode, BorrowedFd netns, policy::NetworkPlan plan) {
        std::optional<Result<>> done;
        keeper->connect(mode, UniqueFd(::dup(netns.get())), std::move(plan), {},
                        [&](Result<> answer) { done = std::move(answer); });
        while (!done) sd_event_run(loop->get(), 1000000);
        return std::move(*done);
    }
    // What the keeper hears of by then.
    void turn() {
        while (sd_event_run(loop->get(), 50000) > 0) continue;
    }

    World world;
    std::unique_ptr<event::EventLoop> loop = std::move(*event::EventLoop::make());
    std::unique_ptr<Keeper> keeper;
    std::string lost;
};

// In a process of its own, as another program would.
template <class F>
void by_another(F f) {
    const int pid = ::fork();
    if (pid == 0) ::_exit(f() ? 0 : 1);
    int status = -1;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    REQUIRE(status == 0);
}
void nft_by_another(const World& world, BorrowedFd netns, const std::string& commands) {
    by_another([&] {
        const auto run = [&]() -> Result<> {
            PMOS_ASSIGN(const auto nft, Nft::open());
            return nft.run(commands, "cannot");
        };
        return (netns ? world.phone.home.inside(netns, run) : run()).has_value();
    });
}

bool begins_with(const std::string& text, const std::string& begin) {
    INFO(text);
    CHECK(text.starts_with(begin));
    return text.starts_with(begin);
}

}  // namespace

TEST_CASE("what pmos-net does itself loses nobody's network") {
    Kept kept;
    const auto mode = kept.world.mode(), other = kept.world.mode();
    REQUIRE(kept.connect("anna", mode.borrow(), direct()));
    REQUIRE(kept.connect("berta", other.borrow(), direct()));
    REQUIRE(kept.connect("anna", mode.borrow(), direct()));
    REQUIRE(kept.keeper->disconnect("berta"));
    nft_by_another(kept.world, {}, "add table inet other");
    kept.turn();
    CHECK(kept.lost == "");
    CHECK(kept.world.gone("berta", other.borrow()));
    const auto listener = listen_in(kept.world, kept.world.peer.borrow(), "198.51.100.1", 80);
    CHECK(connect_in(kept.world, mode.borrow(), "198.51.100.1", 80).error == 0);
    REQUIRE(kept.keeper->keep({}));
    kept.turn();
    CHECK(kept.lost == "");
    CHECK(kept.world.gone("anna", mode.borrow()));
    CHECK(kept.world.tables() == "inet other\n");
    CHECK(kept.keeper->disconnect("anna"));
}

TEST_CASE("a mode whose tables another changes is cut off") {
    Kept kept;
    const auto mode = kept.world.mode(), other = kept.world.mode();
    REQUIRE(kept.connect("anna", mode.borrow(), direct()));
    REQUIRE(kept.connect("berta", other.borrow(), direct()));
    SECTION("on the phone") {
        nft_by_another(kept.world, {}, "insert rule inet pmos-anna input accept");
        kept.turn();
        begins_with(kept.lost, "anna: its table 'inet pmos-anna' was changed by network-keeper");
    }
    SECTION("in the mode") {
        nft_by_another(kept.world, mode.borrow(), "delete table inet pmos");
        kept.turn();
        begins_with(kept.lost, "anna: its table 'inet pmos' was changed by network-keeper");
    }
    CHECK_FALSE(*wire_of(kept.world.phone, "anna"));
    CHECK(*wire_of(kept.world.phone, "berta"));
    // Once told, and for good: it is given another when it starts again.
    kept.lost = "";
    kept.turn();
    CHECK(kept.lost == "");
    CHECK_FALSE(kept.connect("anna", mode.borrow(), direct()));
    const auto next = kept.world.mode();
    CHECK(kept.connect("anna", next.borrow(), direct()));
    REQUIRE(kept.keeper->disconnect("anna"));
    CHECK(kept.world.gone("anna", next.borrow()));
}

TEST_CASE("whoever drops all rules of the phone cuts every mode off") {
    Kept kept;
    const auto mode = kept.world.mode(), other = kept.world.mode();
    REQUIRE(kept.connect("anna", mode.borrow(), direct()));
    REQUIRE(kept.connect("berta", other.borrow(), direct()));
    nft_by_another(kept.world, {}, "flush ruleset");
    kept.turn();
    CHECK_FALSE(*wire_of(kept.world.phone, "anna"));
    CHECK_FALSE(*wire_of(kept.world.phone, "berta"));
    // Nor does the phone forward for anybody any more.
    CHECK(setting("ipv4/ip_forward") == "0");
    CHECK(setting("ipv6/conf/all/forwarding") == "0");
}

TEST_CASE("what stands guard over the forwarding is put back") {
    Kept kept;
    const auto mode = kept.world.mode();
    REQUIRE(kept.connect("anna", mode.borrow(), direct()));
    nft_by_another(kept.world, {}, "delete table ip pmos");
    kept.turn();
    CHECK(kept.lost == "");
    CHECK(*kept.world.phone.nft.has_table("ip", "pmos"));
}

TEST_CASE("a mode whose link another takes, changes or sets down is cut off") {
    Kept kept;
    const auto mode = kept.world.mode();
    REQUIRE(kept.connect("anna", mode.borrow(), direct()));
    const auto& links = kept.world.phone.links;
    const auto wire = *wire_of(kept.world.phone, "anna");
    SECTION("removed") { REQUIRE(links.remove(wire->index)); }
    SECTION("down") { REQUIRE(links.set_up(wire->index, false)); }
    SECTION("of another owner") { REQUIRE(links.set_alias(wire->index, "berta")); }
    SECTION("down inside") {
        const auto room = Room::open(kept.world.phone.home, mode.borrow());
        REQUIRE(room->links.set_up((*room->links.find(kModeLink))->index, false));
    }
    SECTION("renamed inside") {
        REQUIRE(kept.world.phone.home.inside(mode.borrow(), []() -> Result<> {
            CHECK(std::system("ip link set pmos0 down && ip link set pmos0 name x && "
                              "ip link set x up") == 0);
            return {};
        }));
    }
    kept.turn();
    begins_with(kept.lost, "anna: its link was set down, changed, moved or removed");
    const auto room = Room::open(kept.world.phone.home, mode.borrow());
    CHECK_FALSE(*room->links.find(kModeLink));
    CHECK_FALSE(*room->links.find("x"));
    CHECK_FALSE(*links.find(wire->name));
}

TEST_CASE("a new pmos-net takes over what stands, and a connection goes on") {
    Kept kept;
    const auto mode = kept.world.mode(), other = kept.world.mode();
    REQUIRE(kept.connect("anna", mode.borrow(), direct()));
    REQUIRE(kept.connect("berta", other.borrow(), direct()));
    const auto listener = listen_in(kept.world, kept.world.peer.borrow(), "198.51.100.1", 80);
    const auto connection = connect_in(kept.world, mode.borrow(), "198.51.100.1", 80);
    const auto accepted = accept_from(listener.borrow());
    REQUIRE(talks(connection, accepted.borrow()));
    kept.begin();
    REQUIRE(kept.connect("anna", mode.borrow(), direct()));
    REQUIRE(kept.keeper->keep({"anna"}));
    kept.turn();
    CHECK(kept.lost == "");
    CHECK(talks(connection, accepted.borrow()));
    CHECK_FALSE(*wire_of(kept.world.phone, "berta"));
    std::optional<Result<NetworkState>> state;
    kept.keeper->status("anna", [&](Result<NetworkState> answer) { state = std::move(answer); });
    REQUIRE(state.has_value());
    REQUIRE(state->has_value());
    CHECK((*state)->received > 0);
    CHECK((*state)->sent > 0);
}

TEST_CASE("a day's volume is told when it is used up, and not had again before the next") {
    Kept kept;
    std::string spent;
    const auto hear = [&] {
        kept.keeper->on_spent([&](const auto& mode, std::uint64_t volume) {
            spent += mode + " " + std::to_string(volume) + "\n";
        });
    };
    hear();
    const auto mode = kept.world.mode(), next = kept.world.mode(), other = kept.world.mode();
    auto plan = direct();
    plan.limits.volume = 1 << 20;
    REQUIRE(kept.connect("anna", mode.borrow(), plan));
    REQUIRE(kept.connect("berta", other.borrow(), plan));
    // 1 MiB of 8,028 bytes each.
    const int half = flood(kept.world, mode.borrow(), "198.51.100.1", 80, 65);
    CHECK(half == 65);
    kept.begin();
    hear();
    REQUIRE(kept.connect("anna", mode.borrow(), plan));
    REQUIRE(kept.connect("berta", other.borrow(), plan));
    CHECK(flood(kept.world, mode.borrow(), "198.51.100.1", 80, 200) == 130 - half);
    kept.turn();
    CHECK(spent == "anna 1048576\n");
    CHECK(kept.lost == "");
    std::optional<Result<NetworkState>> state;
    kept.keeper->status("anna", [&](Result<NetworkState> answer) { state = std::move(answer); });
    REQUIRE((state && *state));
    CHECK((*state)->spent == 1 << 20);
    REQUIRE(kept.keeper->disconnect("anna"));
    REQUIRE(kept.connect("anna", next.borrow(), plan));
    CHECK(flood(kept.world, next.borrow(), "198.51.100.1", 80, 3) == 0);
    CHECK(flood(kept.world, other.borrow(), "198.51.100.1", 80, 3) == 3);
    CHECK(spent == "anna 1048576\n");
    plan.limits.volume = 2 << 20;
    REQUIRE(kept.connect("anna", next.borrow(), plan));
    CHECK(flood(kept.world, next.borrow(), "198.51.100.1", 80, 3) == 3);
    // Less than is used already.
    plan.limits.volume = 1 << 20;
    REQUIRE(kept.connect("anna", next.borrow(), plan));
    CHECK(flood(kept.world, next.borrow(), "198.51.100.1", 80, 3) == 0);
    // A pmos-net that has never heard of it takes it away, and it begins again.
    kept.begin();
    REQUIRE(kept.keeper->disconnect("anna", UniqueFd(::dup(next.get()))));
    REQUIRE(kept.connect("anna", next.borrow(), plan));
    CHECK(flood(kept.world, next.borrow(), "198.51.100.1", 80, 3) == 0);
    // What is refused uses nothing up.
    plan.restricted = true;
    REQUIRE(kept.connect("berta", other.borrow(), plan));
    CHECK(flood(kept.world, other.borrow(), "198.51.100.1", 80, 200) == 0);
    plan.restricted = false;
    REQUIRE(kept.connect("berta", other.borrow(), plan));
    CHECK(flood(kept.world, other.borrow(), "198.51.100.1", 80, 3) == 3);
}

TEST_CASE("what is sent or comes faster than the plan has it is dropped") {
    Kept kept;
    const auto mode = kept.world.mode();
    auto plan = direct();
    plan.limits.send = 8192;
    REQUIRE(kept.connect("anna", mode.borrow(), plan));
    // A second's and the burst: 136 KiB.
    const int sent = flood(kept.world, mode.borrow(), "198.51.100.1", 80, 100);
    CHECK(sent >= 17);
    CHECK(sent <= 20);
}

TEST_CASE("what cannot be given is refused, and leaves nothing") {
    Kept kept;
    const auto mode = kept.world.mode();
    CHECK_FALSE(kept.connect("anna", mode.borrow(), {}));
    const UniqueFd own(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    const auto refused = kept.connect("anna", own.borrow(), direct());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what == "the network namespace is the phone's own");
    const UniqueFd mount(::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
    CHECK_FALSE(kept.connect("anna", mount.borrow(), direct()));
    // A tunnel that does not stand, and without a key.
    auto plan = direct();
    plan.zone = policy::Zone::tunnel;
    CHECK_FALSE(kept.connect("anna", mode.borrow(), plan));
    CHECK(kept.world.gone("anna", mode.borrow()));
    CHECK(kept.world.tables() == "");
}

TEST_CASE("pmosd speaks to pmos-net over its socket") {
    const World world;
    const auto mode = world.mode();
    char run[] = "/tmp/pmos-net-XXXXXX";
    REQUIRE(::mkdtemp(run) != nullptr);
    const std::string option = std::string("--run=") + run;
    event::SpawnRequest request;
    request.path = NETWORK_BROKER;
    request.args = {option};
    const auto child = event::spawn(request);
    REQUIRE(child);
    event::BusPtr bus;
    for (int i = 0; i < 200 && !bus; ++i) {
        sd_bus* made = nullptr;
        REQUIRE(sd_bus_new(&made) >= 0);
        event::BusPtr one(made);
        sd_bus_set_address(made, ("unix:path=" + std::string(run) + "/control").c_str());
        sd_bus_negotiate_fds(made, 1);
        if (sd_bus_start(made) >= 0)
            bus = std::move(one);
        else
            ::usleep(100000);
    }
    REQUIRE(bus);
    policy::LaunchPlan plan;
    plan.mode = "anna";
    plan.network = direct();
    const auto image = policy::encode(plan);
    const UniqueFd sealed(::memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::write(sealed.get(), image.data(), image.size()) ==
            static_cast<ssize_t>(image.size()));
    sd_bus_error error = SD_BUS_ERROR_NULL;
    const auto connect = [&] {
        sd_bus_error_free(&error);
        return sd_bus_call_method(bus.get(), kService, kPath, kControlInterface, kConnect, &error,
                                  nullptr, "shhah", "anna", mode.get(), sealed.get(), 0);
    };
    CHECK(connect() < 0);
    CHECK(std::string(error.message) == "the plan is no sealed image");
    REQUIRE(::fcntl(sealed.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    CHECK(connect() >= 0);
    const auto listener = listen_in(world, world.peer.borrow(), "198.51.100.1", 80);
    CHECK(connect_in(world, mode.borrow(), "198.51.100.1", 80).error == 0);
    sd_bus_message* answer = nullptr;
    REQUIRE(sd_bus_call_method(bus.get(), kService, kPath, kControlInterface, kStatus, &error,
                               &answer, "s", "anna") >= 0);
    const event::MessagePtr status(answer);
    CHECK(std::string(sd_bus_message_get_signature(answer, 1)) == kStatusSignature);
    // It ends, and the network stays until somebody says that it is nobody's.
    REQUIRE(event::send_signal(child->pidfd.borrow(), SIGTERM));
    int ended = -1;
    REQUIRE(::waitpid(child->pid, &ended, 0) == child->pid);
    CHECK(ended == 0);
    CHECK(*wire_of(world.phone, "anna"));
    sd_bus_error_free(&error);
    ::rmdir(run);
}
