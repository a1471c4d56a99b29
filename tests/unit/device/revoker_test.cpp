// tests: devices that are open are taken away, seen from a process inside the cgroup.
#include "runtime/device/revoker.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <fstream>
#include <optional>
#include <string>

#include "../cgroup_tree.h"
#include "runtime/bpf/objects.h"

using namespace pmos;
using device::Number;
using device::Revoker;

namespace {

constexpr Number kZero{false, 1, 5}, kFull{false, 1, 7};

// What a process found: errno, or 0.
struct Found {
    int read = 0, map = 0, control = 0, other = 0;
    bool operator==(const Found&) const = default;
};
constexpr Found kNothing{EPERM, EPERM, EPERM, 0};

Found look(int zero, int full) {
    std::array<char, 8> bytes{};
    Found found;
    if (::read(zero, bytes.data(), bytes.size()) < 0) found.read = errno;
    void* const place = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, zero, 0);
    if (place == MAP_FAILED)
        found.map = errno;
    else
        ::munmap(place, 4096);
    int value = 0;
    if (::ioctl(zero, FIONREAD, &value) < 0 && errno != ENOTTY) found.control = errno;
    if (::read(full, bytes.data(), bytes.size()) < 0) found.other = errno;
    return found;
}

// A process in a cgroup of its own, with both devices open since before anything was taken.
class Holder {
  public:
    explicit Holder(const std::string& name) : path_(test_cgroup_tree() + "/" + name) {
        REQUIRE(::mkdir(path_.c_str(), 0755) == 0);
        REQUIRE(::mkdir((path_ + "/inner").c_str(), 0755) == 0);
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::close(ends[0]);
            serve(ends[1]);
        }
        ::close(ends[1]);
        socket_.reset(ends[0]);
    }
    ~Holder() {
        socket_.reset();
        ::waitpid(pid_, nullptr, 0);
        for (const auto& dir : {path_ + "/inner", path_})
            for (int i = 0; i < 100 && ::rmdir(dir.c_str()) != 0; ++i) ::usleep(5000);
    }
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;

    std::uint64_t id() const {
        const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        return *bpf::cgroup_id(fd.borrow());
    }
    Found look() const {
        Found found{-1, -1, -1, -1};
        REQUIRE(::send(socket_.get(), "?", 1, MSG_NOSIGNAL) == 1);
        REQUIRE(::recv(socket_.get(), &found, sizeof found, 0) == sizeof found);
        return found;
    }

  private:
    // Below the cgroup that is looked at: a mode may make more.
    [[noreturn]] void serve(int socket) const {
        std::ofstream(path_ + "/inner/cgroup.procs") << "0";
        const int zero = ::open("/dev/zero", O_RDWR | O_CLOEXEC);
        const int full = ::open("/dev/full", O_RDWR | O_CLOEXEC);
        char byte = 0;
        while (::recv(socket, &byte, 1, 0) == 1) {
            const Found found = ::look(zero, full);
            ::send(socket, &found, sizeof found, MSG_NOSIGNAL);
        }
        ::_exit(0);
    }

    std::string path_;
    pid_t pid_ = -1;
    UniqueFd socket_;
};

// Empty where this kernel asks no program: then only the phone runs it (handset test 32-switch).
std::optional<Revoker> revoker_here() {
    auto revoker = Revoker::make();
    if (revoker) return std::move(*revoker);
    test_not_run() = "not run on this kernel, only on the phone: " + revoker.error().message();
    const bool expected =
        revoker.error().code == Code::unsupported || revoker.error().code == Code::denied;
    CHECK(expected);
    return std::nullopt;
}

}  // namespace

TEST_CASE(
    "an open device is taken from a cgroup and what is below it, from no other, and comes back") {
    const Holder mode("mode"), other("other");
    auto revoker = revoker_here();
    if (!revoker) return;
    CHECK(mode.look() == Found{});
    REQUIRE(revoker->take_away(mode.id(), kZero));
    REQUIRE(revoker->take_away(mode.id(), kZero));
    CHECK(mode.look() == kNothing);
    CHECK(other.look() == Found{});
    REQUIRE(revoker->take_away(other.id(), kZero));
    revoker->give_back(mode.id(), kZero);
    CHECK(mode.look() == Found{});
    CHECK(other.look() == kNothing);
    revoker->give_back(mode.id(), kFull);  // nothing was taken
    revoker->forget(other.id());
    CHECK(other.look() == Found{});
}

TEST_CASE("what was taken away stays so while somebody keeps the descriptors") {
    const Holder mode("mode");
    auto first = revoker_here();
    if (!first) return;
    CHECK(first->descriptors().empty());
    REQUIRE(first->take_away(mode.id(), kZero));
    std::vector<UniqueFd> kept;
    for (const BorrowedFd fd : first->descriptors())
        kept.emplace_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    first.reset();
    CHECK(mode.look() == kNothing);
    auto second = Revoker::take_over(std::move(kept));
    REQUIRE(second);
    CHECK(mode.look() == kNothing);
    second->forget(mode.id());
    CHECK(mode.look() == Found{});
    CHECK_FALSE(Revoker::take_over({}));
}
