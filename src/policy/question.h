// policy: may this mode do that? Answered from its plan, by the filters and mounts that the kernel
// gets, with the line that decides. Asks no host.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/connection.h"
#include "policy/policy_set.h"
#include "policy/profile.h"

namespace pmos::policy {

enum class Ruling : std::uint8_t { allowed, refused, depends };
std::string_view ruling_name(Ruling ruling);

struct Answer {
    Ruling ruling = Ruling::refused;
    std::string rule;                     // stable id: "seccomp-not-allowed", "mount-read-only"
    std::string why;                      // lower case, no full stop
    Location at;                          // the line that decides, or the nearest one above it
    std::vector<std::string> conditions;  // where it depends: each case and its outcome
    std::string change;                   // the smallest change that would alter it, or ""
    std::vector<std::string> also;        // what that change would bring besides
    bool weighed = false;                 // the change was tried: an empty `also` means nothing
};

struct Subject {
    const Profile& profile;
    const LaunchPlan& plan;  // compiled from that profile
    const HostFacts& facts;  // for these
    const Node* demands;     // the site policy, or nullptr
};

// A phone that has everything a profile can name: what a profile means, not what a phone lacks.
HostFacts whole_phone();

Result<Answer> ask_syscall(const Subject& subject, const std::string& name);
// access: read, write or execute.
Result<Answer> ask_path(const Subject& subject, const std::string& path, const std::string& access);
Result<Answer> ask_device(const Subject& subject, const std::string& device_class,
                          const std::string& right);
// "10.0.0.1:443", "[fd00::1]:443", "10.0.0.1:53/udp"; or an address, and `how` the rest: "53/udp",
// "icmp".
Result<Connection> asked_connection(const std::string& destination, const std::string& how = "");
Result<Answer> ask_connect(const Subject& subject, const std::string& destination,
                           const std::string& how = "");
Result<Answer> ask_capability(const Subject& subject, const std::string& name);
// The same call with these arguments, and zeros for the rest.
Result<Answer> ask_call(const Subject& subject, const std::string& name,
                        std::span<const std::uint64_t> args);

enum class Topic : std::uint8_t { syscall, path, device, connect, capability, hears };
inline constexpr std::string_view kTopicNames = "syscall|path|device|connect|capability|hears";

// Any of the questions above, or whether one mode hears another (separation.h).
struct Question {
    Topic topic{};
    std::string what;                      // a call, a path, a class, a destination, a mode
    std::string how = {};                  // a path's access, a device's right, a connection's port
    std::vector<std::uint64_t> args = {};  // of a call
    bool with_args = false;
};
Result<Answer> ask(const Subject& subject, const Question& question);  // all but hears
std::string question_text(const Question& question);                   // "path /data write"

// What a mode's filter makes of each case of a call that its rules tell apart, or of one call.
struct CallCase {
    std::array<std::uint64_t, 6> args{};
    std::uint32_t verdict = 0;  // SECCOMP_RET_*
    std::string words;          // "argument 0 == 0x2", "otherwise"
};
std::vector<CallCase> call_cases(const Subject& subject, const Question& question);
// "argument 0 == 0x2 and argument 1 > 0x3"
std::string tests_text(const std::vector<ArgTest>& tests);

// What a changed profile would bring besides: demands broken, keys that cannot be enforced, new
// findings, and system calls that open. `edit` changes the merged tree.
std::vector<std::string> consequences(const Subject& subject,
                                      const std::function<void(Node&)>& edit);

}  // namespace pmos::policy
