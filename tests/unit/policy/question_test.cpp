// tests: may a mode do that? The answers are held against the filters that the kernel gets.
#include "policy/question.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

struct Asked {
    explicit Asked(const std::string& mode, const std::string& extra = "")
        : set(extra.empty() ? shipped_policy() : own(extra)),
          policy(find_mode(set, mode)),
          compiled(compile(*policy.profile, facts)) {
        REQUIRE(compiled.plan.has_value());
    }
    static PolicySet own(const std::string& extra) {
        const std::vector<SourceFile> files{{"alpha.json", profile_text("alpha", 200000, extra)}};
        return read_policy(files, nullptr, {});
    }
    Subject subject() const {
        return {*policy.profile, *compiled.plan, facts, policy.demands.get()};
    }
    HostFacts facts = whole_phone();
    PolicySet set;
    const ModePolicy& policy;
    Compiled compiled;
};

bool mentions(const std::vector<std::string>& lines, const std::string& text) {
    return std::ranges::any_of(lines,
                               [&](const auto& l) { return l.find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("what is said of a system call is what the filter does, whatever its arguments") {
    std::mt19937_64 random(1);  // the same numbers on every run
    const std::uint64_t words[] = {0,          1,          2,          4,         10,
                                   16,         0x1000,     0x5412,     0x20000,   0x10000000,
                                   0xffffffff, 0xc01c64ad, 1ULL << 32, UINT64_MAX};
    for (const std::string mode : {"personal", "secure"}) {
        const Asked asked(mode);
        const Arch& arch = *find_arch("x86_64");
        const auto filter = from_bytes(asked.compiled.plan->seccomp);
        int allowed = 0, refused = 0, depends = 0;
        for (std::uint32_t nr = 0; nr <= arch.newest; ++nr) {
            const auto name = syscall_name(arch, nr);
            if (name.empty()) continue;
            const auto answer = ask_syscall(asked.subject(), name);
            REQUIRE(answer.has_value());
            INFO(mode << ": " << name << " is " << ruling_name(answer->ruling));
            CHECK(answer->at.line > 0);
            bool any = false, all = true;
            for (int i = 0; i < 300; ++i) {
                SyscallData data;
                data.nr = nr;
                data.arch = arch.audit;
                for (auto& arg : data.args)
                    arg = random() % 4 == 0 ? random() : words[random() % std::size(words)];
                const bool allows = evaluate(filter, data) == verdict_allow().ret;
                any |= allows;
                all &= allows;
            }
            if (answer->ruling == Ruling::allowed) CHECK(all);
            if (answer->ruling == Ruling::refused) CHECK_FALSE(any);
            if (answer->ruling == Ruling::depends) {
                CHECK(any);
                CHECK_FALSE(all);
                CHECK(answer->conditions.size() > 1);
            }
            (answer->ruling == Ruling::allowed   ? allowed
             : answer->ruling == Ruling::refused ? refused
                                                 : depends)++;
        }
        CHECK(allowed > 200);
        CHECK(refused > 50);
        CHECK(depends >= 5);
    }
}

TEST_CASE("system calls: rule, line, change and what it brings") {
    const Asked secure("secure");
    const auto ptrace = ask_syscall(secure.subject(), "ptrace").value();
    CHECK(ptrace.ruling == Ruling::refused);
    CHECK(ptrace.rule == "seccomp-not-allowed");
    CHECK(ptrace.at.file == "blocks/base-dev.json");
    CHECK(ptrace.change == "add \"ptrace\" to seccomp/allow");
    CHECK(ptrace.weighed);
    CHECK(mentions(ptrace.also, "dangerous-syscalls"));
    const auto bpf = ask_syscall(secure.subject(), "bpf").value();
    CHECK(mentions(bpf.also, "the site policy refuses the system call 'bpf'"));
    const auto open = ask_syscall(secure.subject(), "openat2").value();
    CHECK(open.ruling == Ruling::allowed);
    CHECK(open.at.pointer == "/seccomp/allow/0");
    const auto clone3 = ask_syscall(secure.subject(), "clone3").value();
    CHECK(clone3.ruling == Ruling::refused);
    CHECK(mentions(clone3.also, "guard-overridden"));
    CHECK(ask_syscall(secure.subject(), "opnat2").error().fix == "did you mean 'openat2'?");
    const Asked ruled("alpha", ", \"hooks\": {}");
    CHECK(ask_syscall(ruled.subject(), "sethostname").value().also.empty());
}

TEST_CASE("paths: mounts, masks, Landlock and devices") {
    const Asked secure("secure"), personal("personal");
    struct Row {
        const Asked& asked;
        std::string path, access;
        Ruling ruling;
        std::string rule, pointer;
    };
    const Row rows[] = {
        {secure, "/data/x", "write", Ruling::allowed, "mount", "/volumes/0"},
        {secure, "/data", "read", Ruling::allowed, "mount", "/volumes/0"},
        {secure, "/data/x", "execute", Ruling::refused, "mount-noexec", "/volumes/0"},
        {secure, "/database", "write", Ruling::refused, "mount-read-only", "/root/image"},
        {secure, "/etc/passwd", "write", Ruling::refused, "mount-read-only", "/root/image"},
        {secure, "/etc/passwd", "read", Ruling::allowed, "mount", "/root/image"},
        {secure, "/usr/bin/id", "execute", Ruling::allowed, "mount", "/root/image"},
        {secure, "/opt/tool", "execute", Ruling::refused, "landlock", "/landlock/execute"},
        {personal, "/proc/kcore", "read", Ruling::refused, "masked", ""},
        {personal, "/proc/sys/kernel/hostname", "write", Ruling::refused, "mount-read-only",
         "/root/image"},
        {secure, "/proc/meminfo", "read", Ruling::refused, "proc-subset", "/procSubset"},
        {secure, "/proc/12/status", "read", Ruling::allowed, "mount", "/root/image"},
        {secure, "/proc/self/status", "read", Ruling::allowed, "mount", "/root/image"},
        {secure, "/tmp/x", "write", Ruling::allowed, "mount", "/root/image"},
        {secure, "/dev/null", "write", Ruling::allowed, "device-class", "/devices"},
        {secure, "/dev/dri/renderD128", "write", Ruling::refused, "device-class", "/devices"},
        {personal, "/dev/dri/renderD128", "write", Ruling::allowed, "device-class", "/devices/gpu"},
    };
    for (const auto& row : rows) {
        INFO(row.path << " " << row.access);
        const auto answer = ask_path(row.asked.subject(), row.path, row.access).value();
        CHECK(answer.ruling == row.ruling);
        CHECK(answer.rule == row.rule);
        CHECK(answer.at.pointer == row.pointer);
    }
    const auto exec = ask_path(secure.subject(), "/data/x", "execute").value();
    CHECK(exec.change == "add the option exec to volumes/0");
    CHECK(mentions(exec.also, "writable-executable"));
    CHECK_FALSE(ask_path(secure.subject(), "data", "read").has_value());
    CHECK_FALSE(ask_path(secure.subject(), "/data/../x", "read").has_value());
    CHECK_FALSE(ask_path(secure.subject(), "/data", "sniff").has_value());
}

TEST_CASE("devices, networks and capabilities") {
    const Asked secure("secure"), personal("personal");
    CHECK(ask_device(personal.subject(), "gpu", "render").value().ruling == Ruling::allowed);
    const auto gpu = ask_device(secure.subject(), "gpu", "render").value();
    CHECK(gpu.ruling == Ruling::refused);
    CHECK(gpu.at.file == "blocks/hardened.json");
    CHECK(mentions(gpu.also, "the site policy refuses gpu 'render'"));
    CHECK(mentions(gpu.also, "/dev/dri/renderD128"));
    CHECK(ask_device(secure.subject(), "modem", "voice").value().ruling == Ruling::allowed);
    // Not by name: with the others.
    CHECK(ask_device(secure.subject(), "modem", "emergency").value().ruling == Ruling::allowed);
    CHECK(ask_device(personal.subject(), "modem", "emergency").value().ruling == Ruling::refused);
    CHECK_FALSE(ask_device(secure.subject(), "modem", "port"));
    const auto data = ask_device(secure.subject(), "modem", "data").value();
    CHECK(data.ruling == Ruling::refused);
    CHECK(ask_device(secure.subject(), "gpus", "x").error().fix.find("gpu") != std::string::npos);
    CHECK(ask_device(secure.subject(), "gpu", "x").error().fix == "one of: render, full");
    const auto out = ask_connect(secure.subject(), "10.0.0.1:443").value();
    CHECK(out.ruling == Ruling::refused);
    CHECK(out.at.pointer == "/network");
    CHECK(mentions(out.also, "the site policy refuses the network 'direct'"));
    CHECK(ask_connect(personal.subject(), "127.0.0.1:80").value().ruling == Ruling::allowed);
    CHECK(ask_connect(personal.subject(), "[::1]:80").value().ruling == Ruling::allowed);
    CHECK(ask_connect(personal.subject(), "10.0.0.1:80").value().ruling == Ruling::refused);
    for (const std::string bad : {"10.0.0.1", "10.0.0.1:0", "fd00::1", "10.0.0.1:53/sctp",
                                  "10.0.0.1:99999", "10.0.0.1:", ":80", "", "10.0.0.1:8o"})
        CHECK_FALSE(ask_connect(personal.subject(), bad).has_value());
    const auto admin = ask_capability(secure.subject(), "CAP_SYS_ADMIN").value();
    CHECK(admin.ruling == Ruling::refused);
    CHECK(mentions(admin.also, "the site policy refuses CAP_SYS_ADMIN"));
    CHECK(mentions(admin.also, "dangerous-capability"));
    CHECK_FALSE(ask_capability(secure.subject(), "CAP_X").has_value());
}

TEST_CASE("without the calls that make sockets nothing can connect") {
    // Its list is @default alone.
    const Asked alpha("alpha", ", \"hooks\": {}");
    const auto answer = ask_connect(alpha.subject(), "10.0.0.1:443").value();
    CHECK(answer.rule == "seccomp-not-allowed");
    CHECK(mentions(answer.also, "it opens the system calls"));
}
