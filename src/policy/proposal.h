// policy: what a recording saw a mode need, as a change of its profile. Proposes; nothing here
// enforces, and no file is read or written.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/profile.h"
#include "policy/syscalls.h"

namespace pmos::policy {

// What to add at, or set to, a key: {"seccomp/allow", "ptrace"}, {"devices/gpu", "render"}.
struct Need {
    std::string key, value;
};

// Calls and groups that admit `used` where `allowed` is admitted already. A group stands for its
// members where three quarters of it are used or allowed by then, two at least are new, and none is
// in `never`; `besides` gets what each brings that was not used.
std::vector<std::string> grouped_syscalls(const Arch& arch, const std::set<std::string>& used,
                                          const std::set<std::string>& allowed,
                                          const std::set<std::string>& never,
                                          std::vector<std::string>& besides);

struct Proposal {
    std::string text;      // the profile's own file, changed; "" where it cannot be edited
    std::string fragment;  // the same change as JSON, to be merged by hand
    std::vector<std::string> notes;

    bool empty() const { return fragment.empty(); }
};

// `bytes` is the file the profile was read from. What the C library needs to end a program is part
// of every proposal, whether it was seen or not. The file is changed and never a block it extends:
// a list that a block holds is written out whole. No call in `never` (refused_syscalls() of the
// site policy) is in it: a need for one is said instead.
Proposal propose(const Profile& profile, const Arch& arch, std::string_view bytes,
                 std::span<const Need> needs, const std::set<std::string>& never);

}  // namespace pmos::policy
