// policy: the table of every key that the site policy may hold. Reads nothing.
#include <array>

#include "policy/language_rows.h"

namespace pmos::policy {
namespace {

constexpr std::array kSiteKeys{
    kSchemaRow,
    kVersionRow,
    KeySpec{.path = "require",
            .types = kArr,
            .doc = "Demands. All of them hold.",
            .max = 64,
            .required = true},
    KeySpec{.path = "require/[]", .types = kObj, .doc = "Demands on some modes or on all."},
    KeySpec{
        .path = "require/[]/modes", .types = kArr, .doc = "Which modes; default all.", .max = 64},
    KeySpec{.path = "require/[]/modes/[]",
            .types = kStr,
            .doc = "A mode.",
            .format = Format::mode_name},
    KeySpec{.path = "require/[]/production",
            .types = kBool,
            .doc = "The profile is final: pmosctl policy record refuses to run the mode."},
    KeySpec{.path = "require/[]/encrypted",
            .types = kBool,
            .doc = "The mode has an encrypted volume and can write nothing lasting elsewhere."},
    KeySpec{.path = "require/[]/unlock", .types = kObj, .doc = "Unlock methods."},
    KeySpec{.path = "require/[]/unlock/never", .types = kArr, .doc = "Refused methods.", .max = 16},
    KeySpec{.path = "require/[]/unlock/never/[]",
            .types = kStr,
            .doc = "A method.",
            .values = kUnlockMethods},
    KeySpec{.path = "require/[]/tpmThrottle",
            .types = kBool,
            .doc = "Each volume has tpm2/throttle: the TPM counts every wrong PIN."},
    KeySpec{.path = "require/[]/network", .types = kArr, .doc = "Admitted networks.", .max = 8},
    KeySpec{.path = "require/[]/network/[]",
            .types = kStr,
            .doc = "A kind of network.",
            .values = "none|loopback|direct|tunnel"},
    KeySpec{.path = "require/[]/capabilities", .types = kObj, .doc = "Capabilities."},
    KeySpec{
        .path = "require/[]/capabilities/never", .types = kArr, .doc = "Refused ones.", .max = 64},
    KeySpec{.path = "require/[]/capabilities/never/[]",
            .types = kStr,
            .doc = "CAP_NAME.",
            .format = Format::capability},
    KeySpec{.path = "require/[]/syscalls", .types = kObj, .doc = "System calls."},
    KeySpec{.path = "require/[]/syscalls/never", .types = kArr, .doc = "Refused ones.", .max = 256},
    KeySpec{.path = "require/[]/syscalls/never/[]",
            .types = kStr,
            .doc = "A name or a @group.",
            .format = Format::syscall_or_group},
    KeySpec{.path = "require/[]/devices",
            .types = kObj,
            .doc = "Admitted rights by class.",
            .keys = kDeviceClasses},
    KeySpec{.path = "require/[]/devices/*", .types = kArr, .doc = "Admitted rights.", .max = 16},
    KeySpec{.path = "require/[]/devices/*/[]", .types = kStr, .doc = "A right."},
    KeySpec{.path = "require/[]/onLock",
            .types = kStr,
            .doc = "Strength of lock.",
            .values = kOnLockNames},
    KeySpec{.path = "require/[]/verity", .types = kBool, .doc = "The image is verified."},
    KeySpec{.path = "require/[]/noWritableShare",
            .types = kBool,
            .doc = "No directory of the host is bound writable."},
    KeySpec{.path = "require/[]/execOnlyFromRoot",
            .types = kBool,
            .doc = "Nothing is executed but files of the image: no mount has exec, and no file is "
                   "made in memory (memfd_create)."},
    KeySpec{.path = "require/[]/noSharedDevice",
            .types = kBool,
            .doc = "No class of devices is granted to the mode and to another one."},
    KeySpec{.path = "require/[]/noSharedSegment",
            .types = kBool,
            .doc = "No network is the mode's and another one's: neither the uplink nor a tunnel."},
    KeySpec{.path = "require/[]/separate",
            .types = kBool,
            .doc = "Nothing flows between the mode and another one but what is arbitrated or "
                   "accepted ('pmosctl policy separation')."},
    KeySpec{.path = "require/[]/separateIdRanges",
            .types = kBool,
            .doc = "Id ranges do not overlap. Always so; stated here for the record."},
    KeySpec{.path = "accept",
            .types = kArr,
            .doc = "Flows between modes that the owner knows of and accepts.",
            .max = 64},
    KeySpec{.path = "accept/[]", .types = kObj, .doc = "One direction of one flow."},
    KeySpec{.path = "accept/[]/from",
            .types = kStr,
            .doc = "The mode that sends.",
            .format = Format::mode_name,
            .required = true},
    KeySpec{.path = "accept/[]/to",
            .types = kStr,
            .doc = "The mode that receives.",
            .format = Format::mode_name,
            .required = true},
    KeySpec{.path = "accept/[]/through",
            .types = kStr,
            .doc = "The resource, as 'pmosctl policy separation' names it.",
            .required = true,
            .example = "\"/srv/music\""},
    KeySpec{.path = "accept/[]/why", .types = kStr, .doc = "For whoever reads it later."},
};

}  // namespace

const Language& site_language() {
    static constexpr Language kLanguage{"pmos site policy", kSiteKeys};
    return kLanguage;
}

}  // namespace pmos::policy
