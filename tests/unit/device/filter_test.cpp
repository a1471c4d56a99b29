// tests: the device filter on this kernel, seen from a process inside the cgroup.
#include "runtime/device/filter.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <vector>

#include "../cgroup_tree.h"
#include "runtime/device/denial_ring.h"

using namespace pmos;

namespace {

using Program = std::vector<std::uint8_t>;

Program assemble(const std::vector<bpf_insn>& instructions) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(instructions.data());
    return {bytes, bytes + instructions.size() * sizeof(bpf_insn)};
}

bpf_insn set_result(std::int32_t value) { return {BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, value}; }
constexpr bpf_insn kExit{BPF_JMP | BPF_EXIT, 0, 0, 0, 0};

Program deny_all() { return assemble({set_result(0), kExit}); }
// Memory devices with one minor only: 3 is null, 5 is zero.
Program allow_minor(std::int32_t minor) {
    return assemble({{BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(bpf_cgroup_dev_ctx, minor), 0},
                     set_result(0),
                     {BPF_JMP | BPF_JNE | BPF_K, 2, 0, 1, minor},
                     set_result(1),
                     kExit});
}

struct TestCgroup {
    std::string path = test_cgroup_tree() + "/mode";
    UniqueFd fd;
    TestCgroup() {
        REQUIRE(::mkdir(path.c_str(), 0755) == 0);
        fd.reset(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    ~TestCgroup() {
        for (int i = 0; i < 100 && ::rmdir(path.c_str()) != 0; ++i) ::usleep(5000);
    }
    Result<void> attach(const Program& instructions) const {
        PMOS_ASSIGN(const UniqueFd program, device::load_filter(instructions));
        return device::attach_filter(fd.borrow(), program.borrow());
    }
    // errno of opening the device inside, 0 when it opens.
    int open_inside(const char* device) const {
        const pid_t pid = ::fork();
        if (pid == 0) {
            std::ofstream(path + "/cgroup.procs") << "0";
            ::_exit(::open(device, O_RDONLY | O_CLOEXEC) < 0 ? errno : 0);
        }
        int status = 0;
        ::waitpid(pid, &status, 0);
        return WEXITSTATUS(status);
    }
};

}  // namespace

TEST_CASE("what the filter refuses is told, and what it allows is not") {
    const TestCgroup cgroup;
    auto ring = device::DenialRing::make();
    REQUIRE(ring);
    // As policy compiles it: the numbers stay in registers 2 to 5, the refusal comes last.
    const auto filter = assemble({{BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0},
                                  {BPF_ALU | BPF_MOV | BPF_X, 3, 2, 0, 0},
                                  {BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff},
                                  {BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16},
                                  {BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0},
                                  {BPF_LDX | BPF_MEM | BPF_W, 5, 1, 8, 0},
                                  {BPF_JMP32 | BPF_JNE | BPF_K, 5, 0, 2, 3},
                                  {BPF_ALU | BPF_MOV | BPF_K, 0, 0, 0, 1},
                                  kExit,
                                  {BPF_ALU | BPF_MOV | BPF_K, 0, 0, 0, 0},
                                  kExit});
    const auto reporting = ring->report(filter);
    REQUIRE(reporting);
    REQUIRE(cgroup.attach(*reporting));
    CHECK(cgroup.open_inside("/dev/null") == 0);
    CHECK(ring->take().empty());
    CHECK(cgroup.open_inside("/dev/zero") == EPERM);
    const auto denials = ring->take();
    REQUIRE(denials.size() == 1);
    CHECK_FALSE(denials[0].block);
    CHECK(denials[0].major == 1);
    CHECK(denials[0].minor == 5);
    CHECK((denials[0].access & BPF_DEVCG_ACC_READ) != 0);
    CHECK(denials[0].uid == ::getuid());
    CHECK(denials[0].pid > 0);
    CHECK_FALSE(denials[0].program.empty());
    // Once round the ring as it comes, and then more than it holds.
    const std::size_t holds = (64U << 10) / 56;
    for (std::size_t i = 0; i < 2 * holds + 100; ++i) {
        static_cast<void>(cgroup.open_inside("/dev/zero"));
        if (i < holds) REQUIRE(ring->take().size() == 1);
    }
    CHECK(ring->take().size() <= holds);
    CHECK(ring->take().empty());
    CHECK_FALSE(ring->report(allow_minor(3)));
}

TEST_CASE("an attached filter decides, a detached one does not") {
    const TestCgroup cgroup;
    CHECK(cgroup.open_inside("/dev/null") == 0);
    CHECK_FALSE(*device::has_filter(cgroup.fd.borrow()));
    REQUIRE(cgroup.attach(deny_all()));
    CHECK(*device::has_filter(cgroup.fd.borrow()));
    CHECK(cgroup.open_inside("/dev/null") == EPERM);
    CHECK(UniqueFd(::open("/dev/null", O_RDONLY)));  // outside nothing changes
    REQUIRE(device::detach_filter(cgroup.fd.borrow()));
    CHECK(cgroup.open_inside("/dev/null") == 0);
    REQUIRE(device::detach_filter(cgroup.fd.borrow()));
}

TEST_CASE("a second filter takes the first one's place instead of joining it") {
    const TestCgroup cgroup;
    REQUIRE(cgroup.attach(allow_minor(3)));
    CHECK(cgroup.open_inside("/dev/null") == 0);
    CHECK(cgroup.open_inside("/dev/zero") == EPERM);
    REQUIRE(cgroup.attach(allow_minor(5)));
    CHECK(cgroup.open_inside("/dev/null") == EPERM);
    CHECK(cgroup.open_inside("/dev/zero") == 0);
}

TEST_CASE("one loaded program serves every run of a mode, and outlives its descriptor") {
    auto program = device::load_filter(allow_minor(3));
    REQUIRE(program);
    for (int run = 0; run < 3; ++run) {
        const TestCgroup cgroup;
        REQUIRE(device::attach_filter(cgroup.fd.borrow(), program->borrow()));
        if (run == 2) program->reset();
        CHECK(cgroup.open_inside("/dev/null") == 0);
        CHECK(cgroup.open_inside("/dev/zero") == EPERM);
    }
}

TEST_CASE("a filter takes its own place, and no descriptor is none") {
    const TestCgroup cgroup;
    const auto program = device::load_filter(allow_minor(3));
    REQUIRE(program);
    REQUIRE(device::attach_filter(cgroup.fd.borrow(), program->borrow()));
    REQUIRE(device::attach_filter(cgroup.fd.borrow(), program->borrow()));
    CHECK(cgroup.open_inside("/dev/zero") == EPERM);
    CHECK_FALSE(device::attach_filter(cgroup.fd.borrow(), UniqueFd().borrow()));
    CHECK(cgroup.open_inside("/dev/zero") == EPERM);
}

TEST_CASE("while filters are exchanged there is never none") {
    const TestCgroup cgroup;
    REQUIRE(cgroup.attach(allow_minor(3)));
    // /dev/full (minor 7) is in neither: a moment without filter would let it through.
    const pid_t pid = ::fork();
    if (pid == 0) {
        std::ofstream(cgroup.path + "/cgroup.procs") << "0";
        for (int i = 0; i < 20000; ++i)
            if (::open("/dev/full", O_RDONLY) >= 0) ::_exit(1);
        ::_exit(0);
    }
    int status = 0, exchanges = 0;
    while (::waitpid(pid, &status, WNOHANG) == 0)
        REQUIRE(cgroup.attach(allow_minor(++exchanges % 2 ? 5 : 3)));
    CHECK(exchanges > 0);
    CHECK(status == 0);
}

TEST_CASE("a program that the verifier refuses is an error with its words") {
    const TestCgroup cgroup;
    const auto refused = cgroup.attach(assemble({{BPF_LDX | BPF_MEM | BPF_W, 0, 9, 0, 0}, kExit}));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().why.find("R9") != std::string::npos);
    CHECK_FALSE(cgroup.attach({}));
    const Program odd(9);
    CHECK_FALSE(cgroup.attach(odd));
    CHECK_FALSE(*device::has_filter(cgroup.fd.borrow()));
}
