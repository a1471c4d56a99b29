// tests: the names by which descriptors outlive a pmosd.
#include "runtime/daemon/fd_store.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>

using namespace pmos::daemon;

TEST_CASE("a listener's name is its own and tells the mode") {
    const auto one = listener_name("secure", Whose::mode),
               two = listener_name("secure", Whose::entered);
    CHECK(one != two);
    CHECK(mode_of_listener(one) == "secure");
    CHECK(mode_of_listener(two) == "secure");
    CHECK(whose_listener(one) == Whose::mode);
    CHECK(whose_listener(two) == Whose::entered);
    CHECK(whose_listener(listener_name("entered-1", Whose::mode)) == Whose::mode);
    CHECK(one.find(':') == std::string::npos);  // systemd takes it for the end
    CHECK(one.size() < 255);
}

TEST_CASE("what was kept for another purpose is no listener") {
    for (const char* name : {"", "stored", "listener", "listener/", "listener//1", "secure/1",
                             "listener/../x", "listener/UPPER/1"})
        CHECK(mode_of_listener(name).empty());
}

TEST_CASE("programs that were entered leave room for the modes' own") {
    const std::string path = "/tmp/pmos-notify-" + std::to_string(::getpid());
    const pmos::UniqueFd manager(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(manager.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    const pmos::UniqueFd kept(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    std::vector<std::string> names;
    const auto keep = [&](Whose whose) {
        const auto name = listener_name("secure", whose);
        if (!keep_descriptor(name, kept.borrow())) return false;
        char told[128]{};
        REQUIRE(::recv(manager.get(), told, sizeof told - 1, MSG_DONTWAIT) > 0);
        CHECK(std::string(told) == "FDSTORE=1\nFDNAME=" + name);
        names.push_back(name);
        return true;
    };
    std::size_t entered = 0, own = 0;
    while (entered < 1000 && keep(Whose::entered)) ++entered;
    while (own < 1000 && keep(Whose::mode)) ++own;
    CHECK(entered == kMaxKeptOfEntered);
    CHECK(own == kMaxKept - kMaxKeptOfEntered);
    ::unsetenv("NOTIFY_SOCKET");
    for (const auto& name : names) forget_descriptor(name);  // makes room again
    CHECK(keep_descriptor("listener/secure/1", kept.borrow()));
    ::unlink(path.c_str());
}

TEST_CASE("the service has the manager keep as many") {
    std::ifstream unit(PMOS_SERVICE);
    const std::string text{std::istreambuf_iterator<char>(unit), {}};
    CHECK(text.find("\nFileDescriptorStoreMax=" + std::to_string(kMaxKept) + "\n") !=
          std::string::npos);
}
