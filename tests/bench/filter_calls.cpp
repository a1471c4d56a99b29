// bench: what a mode's filter costs a system call, in ns: without one, with ours, with libseccomp's
// for the same policy in its default order and as its binary tree. Prints one JSON object.
//   bench-filter-calls PROFILES-DIR PROFILE [--quick]
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <vector>

#include "policy/policy_set.h"
#include "policy/profile.h"
#include "policy/syscall_filter.h"

namespace {

using namespace pmos;

// Each ends early in the kernel, so that the filter is most of what is seen.
struct Call {
    const char* name;  // in the row
    const char* sense;
    std::array<long, 4> args;  // number first
};
constexpr std::array kCalls{
    Call{"always-allowed", "getppid", {SYS_getppid, 0, 0, 0}},
    Call{"by-argument", "socket(AF_UNIX, 99)", {SYS_socket, AF_UNIX, 99, 0}},
    Call{"refused", "ptrace", {SYS_ptrace, 0, 0, 0}},
};

double now_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

double time_of(const Call& call, int turns) {
    const double begin = now_ns();
    for (int i = 0; i < turns; ++i)
        ::syscall(call.args[0], call.args[1], call.args[2], call.args[3], 0);
    return (now_ns() - begin) / turns;
}

bool install(const policy::BpfProgram& code) {
    if (code.empty()) return true;
    sock_fprog program{};
    program.len = static_cast<unsigned short>(code.size());
    program.filter =
        reinterpret_cast<sock_filter*>(const_cast<policy::BpfInstruction*>(code.data()));
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

// A filter cannot be taken off: each turn is a process of its own.
bool measure(const policy::BpfProgram& code, int turns, double* out) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (!install(code)) ::_exit(1);
        for (std::size_t i = 0; i < kCalls.size(); ++i) {
            time_of(kCalls[i], turns / 10);
            out[i] = time_of(kCalls[i], turns);
        }
        ::_exit(0);
    }
    int status = 0;
    return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

// The same policy in libseccomp's words. It cannot say "all requests of ioctl but these": there it
// lets all of them in, which only spares it work.
policy::BpfProgram by_libseccomp(const std::set<std::string>& allow, unsigned optimize) {
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(1));
    seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, optimize);
    constexpr std::uint64_t kLow = 0xffffffff;
    constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                          CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                          CLONE_NEWNET;
    const auto masked = [](unsigned arg, std::uint64_t mask, std::uint64_t value) {
        return scmp_arg_cmp{arg, SCMP_CMP_MASKED_EQ, mask, value};
    };
    const std::set<std::string> guarded{"clone",    "clone3",     "setns",  "personality",
                                        "execveat", "socketpair", "socket", "unshare"};
    const auto add = [&](const char* name, std::vector<scmp_arg_cmp> args) {
        if (allow.contains(name))
            seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(name),
                                   static_cast<unsigned>(args.size()), args.data());
    };
    for (const auto& name : allow)
        if (!guarded.contains(name)) add(name.c_str(), {});
    add("clone", {masked(0, kNamespaces, 0)});
    add("personality", {masked(0, kLow, 0)});
    add("personality", {masked(0, kLow, kLow)});
    add("execveat", {masked(4, kLow, AT_EMPTY_PATH)});
    for (const std::uint64_t family : {AF_UNIX, AF_INET, AF_INET6})
        add("socket", {masked(0, kLow, family)});
    add("socket", {masked(0, kLow, AF_NETLINK), masked(2, kLow, 0)});
    add("socketpair", {masked(0, kLow, AF_UNIX)});
    const int fd = ::memfd_create("filter", MFD_CLOEXEC);
    seccomp_export_bpf(ctx, fd);
    seccomp_release(ctx);
    policy::BpfProgram code(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)) /
                            sizeof(policy::BpfInstruction));
    const auto size = code.size() * sizeof(policy::BpfInstruction);
    const bool whole = ::pread(fd, code.data(), size, 0) == static_cast<ssize_t>(size);
    ::close(fd);
    return whole ? code : policy::BpfProgram{};
}

// The peer does the same work: both let in and refuse the same calls.
bool same(const policy::BpfProgram& a, const policy::BpfProgram& b, const policy::Arch& arch) {
    std::mt19937_64 random(1);
    const std::uint64_t words[] = {0, 1, 2, 10, 16, 17, 0x1000, 0x20000, 0x10000000, 0xffffffff};
    for (std::uint32_t nr = 0; nr <= arch.newest; ++nr)
        for (int i = 0; i < 64; ++i) {
            policy::SyscallData data;
            data.nr = nr;
            data.arch = arch.audit;
            for (auto& arg : data.args) arg = words[random() % std::size(words)];
            const bool one = policy::evaluate(a, data) == SECCOMP_RET_ALLOW;
            if (one != (policy::evaluate(b, data) == SECCOMP_RET_ALLOW)) {
                fmt::print(stderr, "the filters differ on system call {}\n", nr);
                return false;
            }
        }
    return true;
}

std::string read_text(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

int run(const std::string& directory, const std::string& file, bool quick) {
    const policy::SourceFile source{file, read_text(file)};
    const auto set = policy::read_policy(std::span(&source, 1), nullptr,
                                         [&](const std::string& block) -> Result<std::string> {
                                             return read_text(directory + "/" + block);
                                         });
    if (set.modes.size() != 1 || set.modes[0].profile == nullptr) return 1;
    const auto& profile = *set.modes[0].profile;
    auto entries = profile.seccomp_allow;
    entries.emplace_back(policy::required_syscalls());
    const auto allow = policy::expand_syscalls(entries);
    const auto& arch = *policy::find_arch("x86_64");
    const std::array names{"none", "ours", "libseccomp", "libseccomp-tree"};
    const std::array filters{policy::BpfProgram{}, policy::compile_seccomp({allow, {}}, arch),
                             by_libseccomp(allow, 1), by_libseccomp(allow, 2)};
    for (const std::size_t i : {2U, 3U})
        if (!same(filters[1], filters[i], arch)) return 1;

    const int rounds = quick ? 2 : 15, turns = quick ? 2000 : 200000;
    void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return 1;
    auto* shared = static_cast<double*>(page);
    std::array<std::array<std::vector<double>, kCalls.size()>, names.size()> seen;
    for (int round = 0; round < rounds; ++round)
        for (std::size_t f = 0; f < names.size(); ++f) {
            if (!measure(filters[f], turns, shared)) return 1;
            for (std::size_t c = 0; c < kCalls.size(); ++c) seen[f][c].push_back(shared[c]);
        }
    std::string text;
    for (std::size_t c = 0; c < kCalls.size(); ++c)
        for (std::size_t f = 0; f < names.size(); ++f) {
            auto& times = seen[f][c];
            std::ranges::sort(times);
            text += fmt::format(
                "{}{{\"call\": \"{}\", \"sense\": \"{}\", \"filter\": \"{}\", "
                "\"instructions\": {}, \"ns\": {:.1f}}}",
                text.empty() ? "" : ", ", kCalls[c].name, kCalls[c].sense, names[f],
                filters[f].size(), times[times.size() / 2]);
        }
    fmt::print("[{}]\n", text);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fputs("usage: bench-filter-calls PROFILES-DIR PROFILE [--quick]\n", stderr);
        return 2;
    }
    return run(argv[1], argv[2], argc > 3);
}
