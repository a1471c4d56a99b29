// tests: pmosd's end of the network's broker, with a process at the other end that writes down what
// it is asked.
#include "runtime/daemon/network_link.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>

#include "runtime/daemon/mode.h"
#include "runtime/network/protocol.h"
#include "runtime/peer/face.h"

using namespace pmos;
using namespace pmos::daemon;
using namespace std::chrono_literals;

namespace {

// How it behaves: by the name of the mode. "refused" gets no network, of "mute" nobody hears, "cut"
// is lost as soon as it has one, and of "refusing" it is told what it is refused.
struct Broker {
    int pipe = -1;
    peer::Face* face = nullptr;
    void note(const std::string& line) const {
        if (::write(pipe, (line + "\n").data(), line.size() + 1) < 0) ::_exit(3);
    }
};

std::string bytes_in(int fd) {
    char bytes[64];
    const auto n = ::read(fd, bytes, sizeof bytes);
    return n > 0 ? std::string(bytes, static_cast<std::size_t>(n)) : "";
}

int on_keep(sd_bus_message* m, void* userdata, sd_bus_error*) {
    std::vector<std::string> modes;
    if (event::read_strings(m, modes) < 0) return -EINVAL;
    std::string line = "keep";
    for (const auto& mode : modes) line += " " + mode;
    static_cast<Broker*>(userdata)->note(line);
    return sd_bus_reply_method_return(m, nullptr);
}

// Of a mode that there is, of one that there is not, and what is no such thing.
void refuse(peer::Face& face) {
    const auto tell = [](sd_bus* bus, const char* mode, const char* reason, std::uint64_t times) {
        sd_bus_emit_signal(bus, network::kPath, network::kControlInterface, network::kRefused,
                           network::kRefusedSignature, mode, network::kOutbound,
                           "tcp/443 to 192.0.2.1\x1b", "", reason, "network/egress/deny/0", 100000U,
                           times);
    };
    face.each([&](sd_bus* bus) {
        tell(bus, "nobody", "denied", 1);
        sd_bus_emit_signal(bus, network::kPath, network::kControlInterface, network::kRefused, "s",
                           "refusing");
        tell(bus, "refusing", "denied", 1);
        tell(bus, "refusing", network::kUntold, 7);
        for (const char* mode : {"nobody", "refusing"})
            sd_bus_emit_signal(bus, network::kPath, network::kControlInterface, network::kSpent,
                               "st", mode, std::uint64_t{1 << 20});
    });
}

int on_connect(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& broker = *static_cast<Broker*>(userdata);
    const char* mode = nullptr;
    int net_ns = -1, plan = -1, key = -1;
    if (sd_bus_message_read(m, "shh", &mode, &net_ns, &plan) < 0 ||
        sd_bus_message_enter_container(m, 'a', "h") < 0)
        return -EINVAL;
    const bool keyed = sd_bus_message_read(m, "h", &key) > 0;
    const std::string name = mode;
    char image[16] = "";
    if (::pread(plan, image, sizeof image - 1, 0) < 0) return -errno;
    broker.note("connect " + name + " " + image + (keyed ? " " + bytes_in(key) : ""));
    if (name == "mute") return 1;
    if (name == "refused")
        return sd_bus_error_set(error, "org.pmos.Error.NotFound", "no such host\nhint: look");
    const int r = sd_bus_reply_method_return(m, nullptr);
    if (name == "refusing") refuse(*broker.face);
    if (name == "cut")
        broker.face->each([](sd_bus* bus) {
            sd_bus_emit_signal(bus, network::kPath, network::kControlInterface, network::kLost,
                               "ss", "cut", "somebody changed its rules");
        });
    return r;
}

int on_disconnect(sd_bus_message* m, void* userdata, sd_bus_error*) {
    const char* mode = nullptr;
    int ns = -1;
    if (sd_bus_message_read(m, "s", &mode) < 0) return -EINVAL;
    if (sd_bus_message_enter_container(m, 'a', "h") < 0) return -EINVAL;
    const bool runs = sd_bus_message_read(m, "h", &ns) > 0;
    static_cast<Broker*>(userdata)->note(std::string("disconnect ") + mode + (runs ? " here" : ""));
    return sd_bus_reply_method_return(m, nullptr);
}

int on_status(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(
        m, network::kStatusSignature, std::uint64_t{5}, std::uint64_t{6}, std::uint64_t{4}, 1,
        "key=", "192.0.2.1:51820", std::uint64_t{7}, std::uint64_t{8});
}

int on_connections(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(m, network::kConnectionsSignature, 1, "out", "tcp",
                                      "192.0.2.1", 443, "", 3U, std::uint64_t{100},
                                      std::uint64_t{2000}, std::uint64_t{9});
}

const sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD(network::kConnect, network::kConnectSignature, "", on_connect, 0),
    SD_BUS_METHOD(network::kDisconnect, "sah", "", on_disconnect, 0),
    SD_BUS_METHOD(network::kKeep, "as", "", on_keep, 0),
    SD_BUS_METHOD(network::kStatus, "s", network::kStatusSignature, on_status, 0),
    SD_BUS_METHOD(network::kConnections, "s", network::kConnectionsSignature, on_connections, 0),
    SD_BUS_SIGNAL(network::kLost, "ss", 0),
    SD_BUS_SIGNAL(network::kSpent, "st", 0),
    SD_BUS_SIGNAL(network::kRefused, network::kRefusedSignature, 0),
    SD_BUS_VTABLE_END};

[[noreturn]] void serve(const std::string& dir, int pipe) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto loop = EventLoop::make();
    Broker broker{pipe};
    peer::Face::Rules rules;
    rules.prepare = [&](peer::Face::Peer& peer) {
        return sd_bus_add_object_vtable(peer.bus.get(), nullptr, network::kPath,
                                        network::kControlInterface, kVtable, &broker);
    };
    rules.takes_descriptors = true;
    rules.admits = [](const ucred&) { return true; };
    const auto face = peer::Face::make(**loop, dir + "/control", std::move(rules));
    if (!face) ::_exit(2);
    broker.face = face->get();
    static_cast<void>((*loop)->run());
    ::_exit(0);
}

// A process that becomes the broker when it is let; before this one has a loop.
struct Child {
    explicit Child(const std::string& dir) {
        int go_ends[2], told_ends[2];
        REQUIRE(::pipe2(go_ends, O_CLOEXEC) == 0);
        REQUIRE(::pipe2(told_ends, O_CLOEXEC | O_NONBLOCK) == 0);
        pid = ::fork();
        if (pid == 0) {
            ::close(go_ends[1]);
            char letter = 0;
            if (::read(go_ends[0], &letter, 1) != 1) ::_exit(1);
            serve(dir, told_ends[1]);
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
    std::string name = "/tmp/pmos-network-link-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    return name;
}

struct Ends {
    ~Ends() { std::filesystem::remove_all(dir); }
    template <class Condition>
    bool until(Condition condition, std::chrono::seconds limit = 5s) {
        const auto last = std::chrono::steady_clock::now() + limit;
        while (!condition() && std::chrono::steady_clock::now() < last)
            sd_event_run(loop->get(), 10000);
        return condition();
    }
    const std::string& lines() {
        char more[256];
        for (const auto* child : {&first, &second}) {
            const auto n = ::read(child->told.get(), more, sizeof more);
            if (n > 0) all.append(more, static_cast<std::size_t>(n));
        }
        return all;
    }
    bool has(const std::string& line) {
        return until([&] { return lines().find(line + "\n") != std::string::npos; });
    }
    UniqueFd file(const std::string& text) const {
        UniqueFd fd(::memfd_create("plan", MFD_CLOEXEC));
        REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
        return fd;
    }
    UniqueFd key() const {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        REQUIRE(::write(ends[1], "secret", 6) == 6);
        ::close(ends[1]);
        return UniqueFd(ends[0]);
    }
    void connect(const std::string& mode, bool keyed = false, bool runs = false) {
        const UniqueFd plan = file("plan-of-" + mode);
        answers[mode] = std::nullopt;
        link.connect(mode, {null.borrow(), plan.borrow(), keyed ? key() : UniqueFd(), runs},
                     [this, mode](Result<> result) { answers[mode] = std::move(result); });
    }
    bool answered(const std::string& mode, std::chrono::seconds limit = 5s) {
        return until([&] { return answers[mode].has_value(); }, limit);
    }
    bool disconnect(const std::string& mode) {
        bool done = false;
        link.disconnect(mode, [&](Result<> result) { done = result.has_value(); });
        return until([&] { return done; });
    }

    std::string dir = made_directory(), all;
    Child first{dir}, second{dir};
    UniqueFd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    std::unique_ptr<EventLoop> loop = std::move(*EventLoop::make());
    std::map<std::string, std::optional<Result<>>> answers;
    std::vector<std::string> lost;
    NetworkLink link{*loop, dir, [this](const std::string& mode, const std::string& why) {
                         lost.push_back(mode + ": " + why);
                     }};
};

}  // namespace

TEST_CASE("a mode gets its network by plan and key, after what runs was named", "[network]") {
    Ends ends;
    ends.first.begin(ends.dir);
    ends.link.begin();
    ends.connect("anna", true);
    REQUIRE(ends.answered("anna"));
    CHECK(ends.answers["anna"]->has_value());
    CHECK(ends.lines() == "keep\nconnect anna plan-of-anna secret\n");
    std::optional<NetworkStatus> status;
    ends.link.status("anna", [&](Result<NetworkStatus> told) {
        if (told) status = std::move(*told);
    });
    REQUIRE(ends.until([&] { return status.has_value(); }));
    CHECK((status->received == 5 && status->sent == 6 && status->peers.size() == 1));
    CHECK(status->spent == 4);
    CHECK(status->peers[0].endpoint == "192.0.2.1:51820");
    std::optional<NetworkConnections> all;
    ends.link.connections("anna", [&](Result<NetworkConnections> told) {
        if (told) all = std::move(*told);
    });
    REQUIRE(ends.until([&] { return all.has_value(); }));
    REQUIRE((all->rows.size() == 1 && all->others == 9));
    const auto& row = all->rows[0];
    CHECK((row.direction == "out" && row.protocol == "tcp" && row.address == "192.0.2.1"));
    CHECK((row.port == 443 && row.connections == 3 && row.sent == 100 && row.received == 2000));
    CHECK(ends.disconnect("anna"));
    std::optional<Error> none;
    ends.link.connections("anna", [&](Result<NetworkConnections> told) {
        if (!told) none = told.error();
    });
    CHECK((none && none->code == Code::not_running));
    CHECK(ends.has("disconnect anna"));
    // Nothing is said of a mode that has none.
    CHECK(ends.disconnect("anna"));
    CHECK(ends.disconnect("ben"));
    CHECK(ends.lines() == "keep\nconnect anna plan-of-anna secret\ndisconnect anna\n");
}

TEST_CASE("without a broker a start waits, and then says what to do", "[network]") {
    Ends ends;
    ends.link.begin();
    ends.connect("anna");
    CHECK_FALSE(ends.answered("anna", 3s));
    REQUIRE(ends.answered("anna", 5s));
    REQUIRE_FALSE(ends.answers["anna"]->has_value());
    CHECK(ends.answers["anna"]->error().code == Code::not_found);
    CHECK(ends.answers["anna"]->error().fix == "systemctl enable --now pmos-net");
    // What was given up is not made later.
    ends.first.begin(ends.dir);
    REQUIRE(ends.has("keep"));
    CHECK(ends.until([&] { return ends.link.why_not().empty(); }));
    CHECK(ends.lines() == "keep\n");
}

TEST_CASE("a broker that comes while a start waits is asked", "[network]") {
    Ends ends;
    ends.link.begin();
    ends.connect("anna");
    CHECK_FALSE(ends.answered("anna", 1s));
    ends.first.begin(ends.dir);
    REQUIRE(ends.answered("anna"));
    CHECK(ends.answers["anna"]->has_value());
}

TEST_CASE("a new broker takes over what runs, without a key", "[network]") {
    Ends ends;
    ends.first.begin(ends.dir);
    ends.link.begin();
    ends.connect("anna", true);
    REQUIRE(ends.answered("anna"));
    ends.connect("refused");
    REQUIRE(ends.answered("refused"));
    CHECK(ends.answers["refused"]->error().code == Code::not_found);
    CHECK(ends.answers["refused"]->error().what == "no such host");
    CHECK(ends.answers["refused"]->error().fix == "look");
    ends.first.end();
    REQUIRE(ends.until([&] { return !ends.link.why_not().empty(); }));
    ends.lines();
    ends.all.clear();
    ends.second.begin(ends.dir);
    REQUIRE(ends.has("connect anna plan-of-anna"));
    CHECK(ends.lines() == "keep anna\nconnect anna plan-of-anna\n");
    CHECK(ends.lost.empty());
}

TEST_CASE("a new pmosd has what it adopted taken over, and tells of what cannot be", "[network]") {
    Ends ends;
    ends.first.begin(ends.dir);
    for (const char* mode : {"anna", "refused"})
        ends.link.adopt(mode, ends.file("ns"), ends.file(std::string("plan-of-") + mode));
    ends.link.begin();
    REQUIRE(ends.until([&] { return !ends.lost.empty(); }));
    CHECK(ends.lost == std::vector<std::string>{"refused: no such host"});
    CHECK(ends.lines() ==
          "keep anna refused\nconnect anna plan-of-anna\nconnect refused plan-of-refused\n");
    std::string why;
    ends.link.status("refused", [&](Result<NetworkStatus> told) {
        if (told) why = told->lost;
    });
    CHECK(why == "no such host");
    // Its end is told for all that.
    CHECK(ends.disconnect("refused"));
    CHECK(ends.has("disconnect refused"));
}

TEST_CASE("a mode that runs on is without its network when that is said", "[network]") {
    Ends ends;
    ends.link.begin();
    std::optional<Result<>> shut;
    const auto ask = [&] {
        shut = std::nullopt;
        ends.link.shut("anna", ends.file("ns"), [&](Result<> result) { shut = std::move(result); });
    };
    ask();
    REQUIRE(ends.until([&] { return shut.has_value(); }, 8s));
    CHECK_FALSE(*shut);  // nobody is there
    ask();
    ends.first.begin(ends.dir);
    REQUIRE(ends.until([&] { return shut.has_value(); }));
    CHECK(*shut);
    // Also of one of which nothing is known here.
    CHECK(ends.lines() == "keep\ndisconnect anna here\n");
}

TEST_CASE("a mode that runs has lost what it does not get again", "[network]") {
    Ends ends;
    ends.first.begin(ends.dir);
    ends.link.begin();
    ends.connect("refused", true, true);
    REQUIRE(ends.answered("refused"));
    CHECK_FALSE(*ends.answers["refused"]);
    CHECK(ends.lost == std::vector<std::string>{"refused: no such host"});
    CHECK_FALSE(ends.link.stands("refused"));
    ends.link.lose("refused", "again");
    CHECK(ends.lost.size() == 1);
    CHECK(ends.disconnect("refused"));
    CHECK(ends.has("disconnect refused"));
}

TEST_CASE("a mode that is cut off is told of once, and not taken over", "[network]") {
    Ends ends;
    ends.first.begin(ends.dir);
    ends.link.begin();
    ends.connect("cut");
    REQUIRE(ends.until([&] { return !ends.lost.empty(); }));
    CHECK(ends.lost == std::vector<std::string>{"cut: somebody changed its rules"});
    ends.first.end();
    REQUIRE(ends.until([&] { return !ends.link.why_not().empty(); }));
    ends.lines();
    ends.all.clear();
    ends.second.begin(ends.dir);
    REQUIRE(ends.until([&] { return ends.link.why_not().empty(); }));
    CHECK(ends.lines() == "keep\n");
}

TEST_CASE("what the rules of a mode that runs refuse is told, and of no other", "[network]") {
    Ends ends;
    std::vector<NetworkRefusal> told;
    ends.link.on_refused([&](const std::string& mode, const NetworkRefusal& refusal) {
        CHECK(mode == "refusing");
        told.push_back(refusal);
    });
    std::string spent;
    ends.link.on_spent([&](const std::string& mode, std::uint64_t volume) {
        spent += mode + " " + std::to_string(volume) + "\n";
    });
    ends.first.begin(ends.dir);
    ends.link.begin();
    ends.connect("refusing");
    REQUIRE(ends.until([&] { return told.size() == 2; }));
    CHECK(told[0].what.destination == "tcp/443 to 192.0.2.1\\x1b");
    CHECK(told[0].what.reason == "denied");
    CHECK(told[0].what.pointer == "network/egress/deny/0");
    CHECK((told[0].uid == 100000 && told[0].times == 1));
    CHECK_FALSE((told[0].what.inbound || told[0].untold));
    CHECK((told[1].untold && told[1].times == 7));
    REQUIRE(ends.until([&] { return !spent.empty(); }));
    CHECK(spent == "refusing 1048576\n");
}

TEST_CASE("a broker that dies before it answers has made nothing that counts", "[network]") {
    Ends ends;
    ends.first.begin(ends.dir);
    ends.link.begin();
    ends.connect("mute");
    REQUIRE(ends.has("connect mute plan-of-mute"));
    CHECK_FALSE(ends.answers["mute"].has_value());
    ends.first.end();
    REQUIRE(ends.answered("mute"));
    CHECK(ends.answers["mute"]->error().code == Code::not_found);
    ends.lines();
    ends.all.clear();
    ends.second.begin(ends.dir);
    REQUIRE(ends.has("keep"));
}

TEST_CASE("the namespace of a mode is that of its process, while it lives", "[network]") {
    Running running;
    running.pid = ::fork();
    if (running.pid == 0)
        for (;;) ::pause();
    running.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, running.pid, 0)));
    CHECK(net_ns_of(running));
    ::kill(running.pid, SIGKILL);
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(running.pid), &info, WEXITED | WNOWAIT) == 0);
    CHECK_FALSE(net_ns_of(running));
    ::waitpid(running.pid, nullptr, 0);
    CHECK_FALSE(net_ns_of(running));
}
