// tests: an agent that is given the descriptor of a filter, over a socket as it has one.
#include "runtime/oci/listener.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "policy/json_reader.h"
#include "support.h"

using namespace pmos;
using namespace pmos::oci;
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kState =
    R"({"ociVersion":"1.2.0","id":"c1","status":"creating","pid":4422,"bundle":"/b"})";

// What came over one connection.
struct Received {
    std::string bytes;
    std::vector<UniqueFd> fds;
    bool fds_came_first = true;
};

class Agent {
  public:
    explicit Agent(int type = SOCK_STREAM, const std::string& below = "") {
        std::string name = (fs::temp_directory_path() / "pmos-agent-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        top_ = name;
        fs::create_directories(top_ / below);
        path_ = top_ / below / "agent";
        // Bound by a short path where it is, which is one that fits.
        const fs::path bound = top_ / "agent";
        socket_.reset(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, bound.c_str(), sizeof address.sun_path - 1);
        REQUIRE(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        if (type == SOCK_STREAM) REQUIRE(::listen(socket_.get(), 1) == 0);
        if (bound != path_) fs::rename(bound, path_);
    }
    ~Agent() {
        std::error_code ignored;
        fs::remove_all(top_, ignored);
    }
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;

    std::string path() const { return path_; }
    UniqueFd accept() const {
        return UniqueFd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }

  private:
    fs::path top_, path_;
    UniqueFd socket_;
};

Received receive_all(const UniqueFd& connection) {
    Received received;
    for (;;) {
        char bytes[4096];
        alignas(cmsghdr) char control[256]{};
        iovec part{&bytes[0], sizeof bytes};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = &control[0];
        message.msg_controllen = sizeof control;
        const ssize_t n = ::recvmsg(connection.get(), &message, MSG_CMSG_CLOEXEC);
        if (n <= 0) return received;
        for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
            if (c->cmsg_type != SCM_RIGHTS) continue;
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
            received.fds.emplace_back(fd);
            received.fds_came_first = received.bytes.empty();
        }
        received.bytes.append(&bytes[0], static_cast<std::size_t>(n));
    }
}

Received told(const Agent& agent, BorrowedFd filter, const ProcessState& state) {
    Received received;
    auto listener = connect_listener(agent.path());
    REQUIRE(listener.has_value());
    std::thread reader([&] { received = receive_all(agent.accept()); });
    const auto sent = send_process_state(listener->borrow(), filter, state);
    listener->reset();
    reader.join();
    REQUIRE(sent.has_value());
    return received;
}

UniqueFd some_file() { return UniqueFd(::memfd_create("filter", MFD_CLOEXEC)); }

bool same_file(int a, int b) {
    struct stat one {
    }, other{};
    return ::fstat(a, &one) == 0 && ::fstat(b, &other) == 0 && one.st_ino == other.st_ino &&
           one.st_dev == other.st_dev;
}

}  // namespace

TEST_CASE("an agent gets the state and the descriptor") {
    const Agent agent;
    const UniqueFd filter = some_file();
    const std::string metadata = "MKNOD=/dev/null \"quoted\"\n";
    const auto received = told(agent, filter.borrow(), {4422, metadata, kState});
    REQUIRE(received.fds.size() == 1);
    CHECK(same_file(received.fds[0].get(), filter.get()));
    CHECK((::fcntl(received.fds[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
    std::vector<policy::Diagnostic> diagnostics;
    const auto json = policy::read_json("state", received.bytes, diagnostics);
    REQUIRE(json.has_value());
    CHECK(json->members.size() == 5);
    CHECK(json->find("ociVersion")->text == "1.2.0");
    REQUIRE(json->find("fds")->items.size() == 1);
    CHECK(json->find("fds")->items[0].text == "seccompFd");
    CHECK(json->find("pid")->magnitude == 4422);
    CHECK(json->find("metadata")->text == metadata);
    CHECK(json->at_path("state/id")->text == "c1");
    CHECK(received.bytes.ends_with(std::string(kState) + "}"));
}

TEST_CASE("no metadata, no member") {
    CHECK(to_json({7, "", "{}"}) ==
          R"({"ociVersion":"1.2.0","fds":["seccompFd"],"pid":7,"state":{}})");
}

TEST_CASE("a state larger than a socket's buffer arrives whole, its descriptor once and first") {
    const Agent agent;
    const UniqueFd filter = some_file();
    const std::string metadata(std::size_t{3} << 20, 'm');
    const ProcessState state{1, metadata, kState};
    const auto received = told(agent, filter.borrow(), state);
    CHECK(received.bytes == to_json(state));
    CHECK(received.fds.size() == 1);
    CHECK(received.fds_came_first);
}

TEST_CASE("a path longer than an address") {
    const Agent agent(SOCK_STREAM, std::string(100, 'a') + "/" + std::string(100, 'b'));
    REQUIRE(agent.path().size() > 200);
    CHECK(told(agent, some_file().borrow(), {1, "", kState}).fds.size() == 1);
    const auto name = connect_listener(agent.path() + std::string(120, 'c'));
    REQUIRE_FALSE(name.has_value());
    CHECK(name.error().sys_errno == ENAMETOOLONG);
}

TEST_CASE("an agent that is not there, or does not listen to streams") {
    const auto none = connect_listener("/nonexistent/agent");
    REQUIRE_FALSE(none.has_value());
    CHECK(none.error().code == Code::not_found);
    CHECK(none.error().what == "cannot reach the seccomp agent at '/nonexistent/agent'");
    const Agent datagrams(SOCK_DGRAM);
    const auto other = connect_listener(datagrams.path());
    REQUIRE_FALSE(other.has_value());
    CHECK(other.error().sys_errno == EPROTOTYPE);
}

TEST_CASE("an agent that hangs up is an error and no signal") {
    const Agent agent;
    auto listener = connect_listener(agent.path());
    REQUIRE(listener.has_value());
    agent.accept().reset();
    const auto sent = send_process_state(listener->borrow(), some_file().borrow(), {1, "", kState});
    REQUIRE_FALSE(sent.has_value());
    CHECK(sent.error().sys_errno == EPIPE);
}
