// policy: the table of every key that a file of expectations may hold. Reads nothing.
#include <array>

#include "policy/language_rows.h"

namespace pmos::policy {
namespace {

constexpr std::array kTestKeys{
    kSchemaRow,
    kVersionRow,
    KeySpec{.path = "expect",
            .types = kArr,
            .doc = "Expectations: what the profiles beside this file are to mean.",
            .max = 1024,
            .required = true},
    KeySpec{.path = "expect/[]",
            .types = kObj,
            .doc = "One expectation, about one of syscalls, paths, device, connect, capabilities "
                   "and hears."},
    KeySpec{.path = "expect/[]/why",
            .types = kStr,
            .doc = "The promise, in words; it is shown with the result.",
            .required = true,
            .example = "\"secure has no network\""},
    KeySpec{
        .path = "expect/[]/modes", .types = kArr, .doc = "Of which modes; default all.", .max = 64},
    KeySpec{
        .path = "expect/[]/modes/[]", .types = kStr, .doc = "A mode.", .format = Format::mode_name},
    KeySpec{.path = "expect/[]/is",
            .types = kStr,
            .doc = "What the answer is to be. depends: some calls and not others; of hears, only "
                   "what is arbitrated or accepted.",
            .values = "allowed|refused|depends",
            .required = true},
    KeySpec{.path = "expect/[]/foreground",
            .types = kStr,
            .doc = "Which mode is in the foreground then; the others are in the background. "
                   "Default: the mode asked about.",
            .format = Format::mode_name,
            .example = "\"secure\""},
    KeySpec{
        .path = "expect/[]/locked", .types = kArr, .doc = "Modes that are locked then.", .max = 64},
    KeySpec{.path = "expect/[]/locked/[]",
            .types = kStr,
            .doc = "A mode.",
            .format = Format::mode_name},
    KeySpec{.path = "expect/[]/syscalls", .types = kArr, .doc = "System calls.", .max = 512},
    KeySpec{.path = "expect/[]/syscalls/[]",
            .types = kStr,
            .doc = "A name or a @group, each of whose calls is asked about.",
            .format = Format::syscall_or_group,
            .example = "\"@keyring\""},
    KeySpec{.path = "expect/[]/args",
            .types = kArr,
            .doc = "Arguments of the one system call; without them every case is asked about.",
            .max = 5},
    KeySpec{.path = "expect/[]/args/[]", .types = kInt, .doc = "A value, from the first argument."},
    KeySpec{.path = "expect/[]/paths", .types = kArr, .doc = "Paths inside the mode.", .max = 256},
    KeySpec{.path = "expect/[]/paths/[]",
            .types = kStr,
            .doc = "A path.",
            .format = Format::absolute_path,
            .example = "\"/data\""},
    KeySpec{.path = "expect/[]/access",
            .types = kStr,
            .doc = "What with the paths.",
            .values = "read|write|execute"},
    KeySpec{.path = "expect/[]/device",
            .types = kStr,
            .doc = "A class of devices.",
            .values = kDeviceClasses},
    KeySpec{.path = "expect/[]/right",
            .types = kStr,
            .doc = "The right, or of audio the part (playback, capture).",
            .example = "\"render\""},
    KeySpec{.path = "expect/[]/connect",
            .types = kArr,
            .doc = "Destinations, address and port; of UDP with /udp behind it.",
            .max = 256},
    KeySpec{.path = "expect/[]/connect/[]",
            .types = kStr,
            .doc = "A destination.",
            .example = "\"10.0.0.1:443\""},
    KeySpec{.path = "expect/[]/capabilities", .types = kArr, .doc = "Capabilities.", .max = 64},
    KeySpec{.path = "expect/[]/capabilities/[]",
            .types = kStr,
            .doc = "CAP_NAME.",
            .format = Format::capability},
    KeySpec{.path = "expect/[]/hears",
            .types = kArr,
            .doc = "Other modes: whether anything flows from them to this one.",
            .max = 64},
    KeySpec{
        .path = "expect/[]/hears/[]", .types = kStr, .doc = "A mode.", .format = Format::mode_name},
};

}  // namespace

const Language& test_language() {
    static constexpr Language kLanguage{"pmos policy tests", kTestKeys};
    return kLanguage;
}

}  // namespace pmos::policy
