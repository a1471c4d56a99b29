// oci: the system call filter of a container, compiled by libseccomp. Never loads one.
//
// A profile means what it means to runc and crun:
//  - A rule whose action is the default's says nothing. Of a call's rules the one without arguments
//    decides whatever the others say, and of two without arguments the first (libseccomp).
//  - Tests of a rule all hold; but a rule that tests one argument twice is a rule for each test.
//  - The native architecture is always judged, and first. Any other that the profile does not list
//    is killed.
//  - A name that this libseccomp does not know is left out.
//
// And a call that is newer than every one that the profile names gets ENOSYS, as runc has it, where
// the default action would refuse it. Who wrote the profile cannot have meant to refuse what was
// not there, and a libc that is told EPERM by clone3 or faccessat2 takes it for an answer, where on
// ENOSYS it falls back to the older call. "Newer": a number above the highest that the profile
// names on that architecture, be it to allow or to refuse. That is never less strict, for no such
// call is made; it is left to the default action where that lets pass (allow, log), or somebody
// else answers who may know better (trace, notify).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/oci_config.h"
#include "policy/syscall_filter.h"

namespace pmos::oci {

// unknown: gets each name that was left out, once. What libseccomp refuses is an error that says
// at which rule.
Result<policy::BpfProgram> compile_filter(const policy::oci::Seccomp& policy,
                                          std::vector<std::string>* unknown = nullptr);

// Whether the kernel makes a descriptor for who is to be asked.
bool asks_listener(const policy::oci::Seccomp& policy);

// What seccomp(2) takes beside the program. A process that loads a filter has one thread: TSYNC
// would change nothing, and the kernel refuses it beside a listener. Without a listener there is
// nothing to wait for (WAIT_KILLABLE_RECV), and the kernel refuses that too.
std::uint32_t load_flags(const policy::oci::Seccomp& policy);

}  // namespace pmos::oci
