// oci: the system call filter of a container, compiled by libseccomp. Never loads one.
#include "runtime/oci/filter.h"

#include <fmt/format.h>
#include <linux/bpf_common.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>

#include "base/fd.h"
#include "policy/diagnostic.h"
#include "runtime/oci/newer_calls.h"

namespace pmos::oci {
namespace {

using policy::BpfInstruction;
using policy::BpfProgram;
using policy::oci::Seccomp;
using policy::oci::SeccompAction;
using policy::oci::SeccompArg;
using policy::oci::SeccompRule;

constexpr std::size_t kMaxInstructions = 4096;  // BPF_MAXINSNS
constexpr std::uint32_t kMaxErrno = 4095;       // the kernel's, above it an errno is no errno
constexpr std::size_t kArguments = 6;
// libseccomp's tree has four calls to a leaf: below this it is no shorter than a list. Without any
// call libseccomp 2.5.4 makes a wrong one.
constexpr std::size_t kTreePays = 32;

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

// libseccomp's answers are negative errnos, of which these are its own.
Error refusal(int result, std::string what) {
    Error error = errno_error(-result, std::move(what));
    if (result == -EEXIST) {
        error.code = Code::usage;
        error.why = "another rule has another action for the same arguments";
    } else if (result == -EINVAL) {
        error.code = Code::usage;
        error.why = "libseccomp cannot express it";
    } else if (result == -EOPNOTSUPP) {
        error.code = Code::unsupported;
        error.why = "this kernel does not have that action";
    } else if (result == -EDOM) {
        error.code = Code::unsupported;
        error.why = "its byte order is not this machine's";
    }
    return error;
}

Result<std::uint32_t> action_code(SeccompAction action, std::optional<std::uint32_t> number,
                                  const std::string& what) {
    const bool takes_number = action == SeccompAction::error || action == SeccompAction::trace;
    if (number && !takes_number)
        return fail(Code::usage, what, "its action has no errno",
                    "only SCMP_ACT_ERRNO and SCMP_ACT_TRACE have one");
    const std::uint32_t limit = action == SeccompAction::error ? kMaxErrno : SECCOMP_RET_DATA;
    const std::uint32_t data = number.value_or(EPERM);
    if (data > limit)
        return fail(Code::usage, what, fmt::format("errno {} is above {}", data, limit));
    switch (action) {
        case SeccompAction::kill_process:
            return SCMP_ACT_KILL_PROCESS;
        case SeccompAction::kill_thread:
            return SCMP_ACT_KILL_THREAD;
        case SeccompAction::trap:
            return SCMP_ACT_TRAP;
        case SeccompAction::error:
            return SCMP_ACT_ERRNO(data);
        case SeccompAction::trace:
            return SCMP_ACT_TRACE(data);
        case SeccompAction::notify:
            return SCMP_ACT_NOTIFY;
        case SeccompAction::log:
            return SCMP_ACT_LOG;
        case SeccompAction::allow:
            return SCMP_ACT_ALLOW;
    }
    return fail(Code::usage, what, "its action is none");
}

Result<std::uint32_t> arch_token(const std::string& name) {
    constexpr std::string_view kPrefix = "SCMP_ARCH_";
    std::string word;
    if (name.starts_with(kPrefix)) word = name.substr(kPrefix.size());
    for (char& c : word)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const std::uint32_t token = word.empty() ? 0 : seccomp_arch_resolve_name(word.c_str());
    if (token == 0)
        return fail(Code::unsupported,
                    fmt::format("system call filter for '{}'", policy::shown(name)),
                    "libseccomp does not know this architecture");
    return token;
}

// The native one first; each once.
Result<std::vector<std::uint32_t>> arch_tokens(const Seccomp& policy) {
    std::vector<std::uint32_t> tokens{seccomp_arch_native()};
    for (const std::string& name : policy.architectures) {
        PMOS_ASSIGN(const std::uint32_t token, arch_token(name));
        if (std::ranges::find(tokens, token) == tokens.end()) tokens.push_back(token);
    }
    return tokens;
}

Result<> add_architectures(const Filter& filter, const std::vector<std::uint32_t>& tokens,
                           const Seccomp& policy) {
    for (const std::uint32_t token : tokens) {
        const int result = seccomp_arch_add(filter.get(), token);
        if (result == 0 || result == -EEXIST) continue;
        const auto of = [&](const std::string& name) { return arch_token(name) == token; };
        const auto name = std::ranges::find_if(policy.architectures, of);
        return fail(refusal(
            result, fmt::format("system call filter for '{}'",
                                name == policy.architectures.end() ? "the native ABI" : *name)));
    }
    return {};
}

Result<std::vector<scmp_arg_cmp>> tests_of(const SeccompRule& rule, const std::string& what) {
    struct Operator {
        std::string_view name;
        scmp_compare code;
    };
    constexpr std::array kOperators{
        Operator{"NE", SCMP_CMP_NE},
        Operator{"LT", SCMP_CMP_LT},
        Operator{"LE", SCMP_CMP_LE},
        Operator{"EQ", SCMP_CMP_EQ},
        Operator{"GE", SCMP_CMP_GE},
        Operator{"GT", SCMP_CMP_GT},
        Operator{"MASKED_EQ", SCMP_CMP_MASKED_EQ},
    };
    std::vector<scmp_arg_cmp> tests;
    for (const SeccompArg& arg : rule.args) {
        const auto* op = std::ranges::find(kOperators, arg.op, &Operator::name);
        if (op == kOperators.end())
            return fail(Code::usage, what,
                        fmt::format("'{}' is no comparison", policy::shown(arg.op)));
        if (arg.index >= kArguments)
            return fail(Code::usage, what, fmt::format("no call has an argument {}", arg.index),
                        "an index is 0 to 5");
        tests.push_back({arg.index, op->code, arg.value, arg.value_two});
    }
    return tests;
}

bool tests_one_twice(const std::vector<scmp_arg_cmp>& tests) {
    std::array<bool, kArguments> seen{};
    return std::ranges::any_of(
        tests, [&](const scmp_arg_cmp& test) { return std::exchange(seen[test.arg], true); });
}

int add_call(const Filter& filter, std::uint32_t action, int call,
             const std::vector<scmp_arg_cmp>& tests) {
    const auto add = [&](const scmp_arg_cmp* first, std::size_t count) {
        return seccomp_rule_add_array(filter.get(), action, call, static_cast<unsigned>(count),
                                      first);
    };
    if (!tests_one_twice(tests)) return add(tests.data(), tests.size());
    for (const scmp_arg_cmp& test : tests)
        if (const int result = add(&test, 1); result != 0) return result;
    return 0;
}

// How many calls were added.
Result<std::size_t> add_rule(const Filter& filter, const SeccompRule& rule,
                             std::uint32_t by_default, std::vector<std::string>* unknown) {
    const std::string where = policy::to_text(rule.at) + ": rule of the system call filter";
    PMOS_ASSIGN(const std::uint32_t action, action_code(rule.action, rule.errno_ret, where));
    PMOS_ASSIGN(const auto tests, tests_of(rule, where));
    std::size_t added = 0;
    for (const std::string& name : rule.names) {
        const int call = seccomp_syscall_resolve_name(name.c_str());
        if (call == __NR_SCMP_ERROR) {
            if (unknown != nullptr && std::ranges::find(*unknown, name) == unknown->end())
                unknown->push_back(name);
            continue;
        }
        if (action == by_default) continue;
        if (const int result = add_call(filter, action, call, tests); result != 0)
            return fail(refusal(result, fmt::format("{} for '{}'", where, policy::shown(name))));
        ++added;
    }
    return added;
}

Result<BpfProgram> exported(const Filter& filter) {
    const std::string what = "cannot take the system call filter from libseccomp";
    const UniqueFd fd(::memfd_create("pmos-filter", MFD_CLOEXEC));
    if (!fd) return fail(errno_error(errno, what));
    if (const int result = seccomp_export_bpf(filter.get(), fd.get()); result != 0)
        return fail(errno_error(-result, what));
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return fail(errno_error(errno, what));
    const auto size = static_cast<std::size_t>(st.st_size);
    BpfProgram program(size / sizeof(BpfInstruction));
    if (::pread(fd.get(), program.data(), size, 0) != st.st_size)
        return fail(errno_error(errno, what));
    return program;
}

bool refuses(const Seccomp& policy) {
    switch (policy.default_action) {
        case SeccompAction::allow:
        case SeccompAction::log:
        case SeccompAction::trace:
        case SeccompAction::notify:
            return false;
        case SeccompAction::error:
            return policy.default_errno_ret != ENOSYS;
        default:
            return true;
    }
}

}  // namespace

Result<BpfProgram> compile_filter(const Seccomp& policy, std::vector<std::string>* unknown) {
    PMOS_ASSIGN(const std::uint32_t by_default,
                action_code(policy.default_action, policy.default_errno_ret,
                            "default action of the system call filter"));
    PMOS_ASSIGN(const auto tokens, arch_tokens(policy));
    const Filter filter(seccomp_init(by_default), &seccomp_release);
    if (!filter)
        return fail(Code::unsupported, "cannot begin a system call filter",
                    "this kernel does not have its default action");
    // What the launcher does itself, and the kernel's own errno instead of ECANCELED.
    seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_NNP, 0);
    seccomp_attr_set(filter.get(), SCMP_FLTATR_API_SYSRAWRC, 1);
    seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL);
    PMOS_TRY(add_architectures(filter, tokens, policy));
    std::size_t calls = 0;
    for (const SeccompRule& rule : policy.rules) {
        PMOS_ASSIGN(const std::size_t added, add_rule(filter, rule, by_default, unknown));
        calls += added;
    }
    if (calls > kTreePays) seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    PMOS_ASSIGN(BpfProgram program, exported(filter));
    if (refuses(policy)) {
        const BpfProgram head = newer_calls(policy, tokens);
        program.insert(program.begin(), head.begin(), head.end());
    }
    if (program.size() > kMaxInstructions)
        return fail(Code::unsupported, "cannot use the system call filter",
                    fmt::format("it has {} instructions, and the kernel takes {}", program.size(),
                                kMaxInstructions),
                    "list fewer architectures");
    return program;
}

bool asks_listener(const Seccomp& policy) {
    const auto asks = [](const SeccompRule& rule) { return rule.action == SeccompAction::notify; };
    return policy.default_action == SeccompAction::notify ||
           std::ranges::any_of(policy.rules, asks);
}

std::uint32_t load_flags(const Seccomp& policy) {
    std::uint32_t flags = policy.flags & ~std::uint32_t{SECCOMP_FILTER_FLAG_TSYNC};
    if (asks_listener(policy)) return flags | SECCOMP_FILTER_FLAG_NEW_LISTENER;
    return flags & ~std::uint32_t{SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV};
}

}  // namespace pmos::oci
