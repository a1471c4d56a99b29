// policy: the language: system calls, security modules, Landlock. Reads nothing.
#include <array>

#include "policy/language_rows.h"

namespace pmos::policy {
namespace {

constexpr std::array kSeccompKeys{
    KeySpec{.path = "seccomp",
            .types = kObj,
            .doc = "System calls. What is not named gets EPERM.",
            .required = true},
    KeySpec{.path = "seccomp/allow",
            .types = kArr,
            .doc = "Names and @groups. What pmos-init needs is always there.",
            .max = 1024,
            .required = true,
            .example = "[\"@default\", \"@file-system\"]"},
    KeySpec{.path = "seccomp/allow/[]",
            .types = kStr,
            .doc = "A name or a @group.",
            .format = Format::syscall_or_group},
    KeySpec{.path = "seccomp/flags",
            .types = kArr,
            .doc = "SECCOMP_FILTER_FLAG_LOG: what is refused becomes an event that names this "
                   "profile's line (pmosctl events --denials). Costs an audit record a refusal; "
                   "kills are told without it."},
    KeySpec{.path = "seccomp/flags/[]",
            .types = kStr,
            .doc = "A flag of seccomp(2).",
            .values = "SECCOMP_FILTER_FLAG_LOG"},
    KeySpec{.path = "seccomp/rules",
            .types = kArr,
            .doc = "Exceptions, first match wins, before the built-in guards and the allow list.",
            .max = 256,
            .fallback = "[]"},
    KeySpec{.path = "seccomp/rules/[]", .types = kObj, .doc = "One exception."},
    KeySpec{.path = "seccomp/rules/[]/names",
            .types = kArr,
            .doc = "System calls.",
            .max = 512,
            .required = true},
    KeySpec{.path = "seccomp/rules/[]/names/[]",
            .types = kStr,
            .doc = "A name.",
            .format = Format::syscall},
    KeySpec{.path = "seccomp/rules/[]/action",
            .types = kStr,
            .doc = "What happens.",
            .values = "allow|errno|kill",
            .required = true},
    KeySpec{.path = "seccomp/rules/[]/errno",
            .types = kStr,
            .doc = "errno: which, default EPERM.",
            .format = Format::errno_name},
    KeySpec{.path = "seccomp/rules/[]/args", .types = kArr, .doc = "All of them must hold."},
    KeySpec{.path = "seccomp/rules/[]/args/[]", .types = kObj, .doc = "A test of one argument."},
    KeySpec{.path = "seccomp/rules/[]/args/[]/index",
            .types = kInt,
            .doc = "Argument, from 0.",
            .max = 5,
            .required = true},
    KeySpec{.path = "seccomp/rules/[]/args/[]/value",
            .types = kInt,
            .doc = "Value, or the mask of SCMP_CMP_MASKED_EQ. 64 bits are compared.",
            .required = true},
    KeySpec{
        .path = "seccomp/rules/[]/args/[]/valueTwo", .types = kInt, .doc = "Value under the mask."},
    KeySpec{.path = "seccomp/rules/[]/args/[]/op",
            .types = kStr,
            .doc = "Comparison.",
            .values = "SCMP_CMP_NE|SCMP_CMP_LT|SCMP_CMP_LE|SCMP_CMP_EQ|SCMP_CMP_GE|SCMP_CMP_GT|"
                      "SCMP_CMP_MASKED_EQ",
            .required = true},
};

constexpr std::array kDenialKeys{
    KeySpec{.path = "denials",
            .types = kObj,
            .doc = "What of the mode's denials is told that costs something to tell."},
    KeySpec{.path = "denials/arguments",
            .types = kBool,
            .doc = "true: of a system call that a rule or guard judges by its arguments, each "
                   "refusal is told with the rule and the arguments. The call waits until pmosd "
                   "has refused it; without pmosd it gets ENOSYS.",
            .fallback = "false"},
    KeySpec{.path = "denials/capabilities",
            .types = kBool,
            .doc = "true: each capability check that fails, and that the kernel would have "
                   "audited, is told. Costs every capability check on the phone a call of a BPF "
                   "program; where the kernel cannot (pmosctl doctor), a warning.",
            .fallback = "false"},
    KeySpec{.path = "denials/landlock",
            .types = kBool,
            .doc = "true: what Landlock refuses is told. Costs every opening of a file on the "
                   "phone a call of a BPF program; where the kernel cannot, a warning.",
            .fallback = "false"},
};

constexpr std::array kLsmKeys{
    KeySpec{.path = "lsm", .types = kObj, .doc = "Linux security modules."},
    KeySpec{.path = "lsm/apparmor",
            .types = kStr,
            .doc = "Profile, where AppArmor is enabled.",
            .format = Format::word,
            .fallback = "\"pmos-mode\""},
    KeySpec{.path = "lsm/required",
            .types = kBool,
            .doc = "No AppArmor, no start.",
            .fallback = "false"},

    KeySpec{.path = "procSubset",
            .types = kStr,
            .doc = "pid: /proc holds the mode's processes and nothing of the machine, neither its "
                   "load nor its memory (proc(5), subset=pid). all: those too, without what tells "
                   "more.",
            .values = "all|pid",
            .fallback = "\"all\""},

    KeySpec{.path = "landlock", .types = kObj, .doc = "Landlock, where the kernel has it."},
    KeySpec{.path = "landlock/required",
            .types = kBool,
            .doc = "No Landlock, no start.",
            .fallback = "false"},
    KeySpec{.path = "landlock/execute",
            .types = kArr,
            .doc = "Directories whose files may be executed. They must exist.",
            .max = 64,
            .fallback = "[\"/\"]"},
    KeySpec{.path = "landlock/execute/[]",
            .types = kStr,
            .doc = "A directory inside.",
            .format = Format::absolute_path,
            .example = "\"/usr\""},
};

}  // namespace

KeySpecs seccomp_keys() { return kSeccompKeys; }
KeySpecs denial_keys() { return kDenialKeys; }
KeySpecs lsm_keys() { return kLsmKeys; }

}  // namespace pmos::policy
