// policy: what changes from one policy to another: who gains or loses what, by what the two mean
// and not by how they are written. Asks no host.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy_set.h"

namespace pmos::policy {

// Closed; a kind never changes its sense, for it stands in JSON.
enum class ChangeKind : std::uint8_t {
    unreadable,   // a side cannot be read, or a filter is beyond comparing: not all is said
    demand,       // what the owner demands
    accepted,     // a flow that the owner accepts
    flow,         // from mode to mode
    start,        // whether a profile is refused
    name_space,   // a namespace, or the clocks of the time namespace
    verified,     // dm-verity of the image
    confinement,  // AppArmor, Landlock, what /proc shows
    capability,
    system_call,
    kernel,  // an object of the kernel that no namespace covers
    device,
    network,
    write,  // a path of the host, of memory or of a volume
    execute,
    read,
    mount_option,
    encryption,  // cipher, key, key derivation, integrity
    unlock,      // what opens a volume
    lock,        // what lock leaves behind, and when it comes
    hook,        // a program of the host
    user,        // ids inside and outside
    counter,     // a number about the whole machine
    denials,     // whether refusals are told
    limit,
    session,  // when the mode starts, and what it does in the background
    image,
    storage,   // where a volume lies and how large it is
    process,   // the first process and its surroundings
    mode,      // one that comes or goes
    exposure,  // the score
    other,     // a key that this list has no better word for
};
inline constexpr std::string_view kChangeKindNames =
    "unreadable|demand|accepted|flow|start|namespace|verified|confinement|capability|system-call|"
    "kernel|device|network|write|execute|read|mount-option|encryption|unlock|lock|hook|user|"
    "counter|denials|limit|session|image|storage|process|mode|exposure|other";

// From A to B. gain: a mode may do more, or what protects it, its data or the others is weaker.
enum class Turn : std::uint8_t { gain, loss, change };
inline constexpr std::string_view kTurnNames = "gain|loss|change";

// What harm it may do. A loss has none as a rule: the diff the other way round tells.
enum class Danger : std::uint8_t { none, slight, moderate, serious, severe };
inline constexpr std::string_view kDangerNames = "none|slight|moderate|serious|severe";

struct Change {
    std::string mode;  // whose; "" of the whole policy
    ChangeKind kind{};
    Turn turn{};
    Danger danger{};
    std::string what;                // the thing: "CAP_SYS_ADMIN", "audio/capture", "/srv/music"
    std::vector<std::string> items;  // where it is several at once: the system calls of a group
    std::string words;               // "personal gains the microphone in the background"
    Location a, b;                   // where it stands; no file: it is not there
};

struct DiffSide {
    std::span<const ModePolicy> modes;
    const Node* site = nullptr;                 // the site policy, or nullptr
    std::span<const Diagnostic> site_findings;  // an error: the site policy cannot be read
    const Separation* separation = nullptr;     // of these modes; nullptr: it is worked out
};
DiffSide diff_side(const PolicySet& set);

// By danger, the worst first. Empty: both mean the same. diff(b, a) has the same changes the other
// way round. Modes are compared on a phone that has everything a profile can name.
std::vector<Change> diff(const DiffSide& a, const DiffSide& b);
// Whether something could not be compared.
bool has_unreadable(std::span<const Change> changes);

}  // namespace pmos::policy
