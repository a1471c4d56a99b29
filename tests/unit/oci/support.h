// tests: policies for the filters of containers, written short.
#pragma once

#include <linux/audit.h>
#include <seccomp.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "policy/oci_config.h"
#include "policy/syscall_filter.h"
#include "runtime/oci/filter.h"

namespace pmos::oci::test {

using policy::BpfProgram;
using policy::oci::Seccomp;
using policy::oci::SeccompAction;
using policy::oci::SeccompArg;
using policy::oci::SeccompRule;

inline SeccompRule rule(std::vector<std::string> names, SeccompAction action,
                        std::vector<SeccompArg> args = {},
                        std::optional<std::uint32_t> errno_ret = {}) {
    return {std::move(names), action, errno_ret, std::move(args), {"config.json", 7, 9, "/x"}};
}
inline SeccompRule allow(std::vector<std::string> names, std::vector<SeccompArg> args = {}) {
    return rule(std::move(names), SeccompAction::allow, std::move(args));
}
inline Seccomp refusing(std::vector<SeccompRule> rules) {
    Seccomp policy;
    policy.default_action = SeccompAction::error;
    policy.rules = std::move(rules);
    return policy;
}

inline bool same(const BpfProgram& a, const BpfProgram& b) {
    return policy::to_bytes(a) == policy::to_bytes(b);
}

inline BpfProgram compiled(const Seccomp& policy) {
    auto program = compile_filter(policy);
    INFO((program ? "" : program.error().message()));
    REQUIRE(program.has_value());
    return *std::move(program);
}

// token: libseccomp's, which says x32 apart.
inline std::string verdict(const BpfProgram& program, std::uint32_t token, std::uint32_t number,
                           const std::vector<std::uint64_t>& args = {}) {
    policy::SyscallData data;
    data.nr = number;
    data.arch = token == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : token;
    std::copy(args.begin(), args.end(), data.args);
    return policy::verdict_text(policy::evaluate(program, data));
}
inline std::string verdict(const BpfProgram& program, std::uint32_t token, const char* name,
                           const std::vector<std::uint64_t>& args = {}) {
    const int number = seccomp_syscall_resolve_name_arch(token, name);
    INFO(name);
    REQUIRE(number >= 0);
    return verdict(program, token, static_cast<std::uint32_t>(number), args);
}

}  // namespace pmos::oci::test
