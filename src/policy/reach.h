// policy: everything that a mode can touch beyond its own processes, from its profile and plan: the
// one table that the separation proof, the diff, the policy tests and the report read. Asks no
// host.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/question.h"

namespace pmos::policy {

enum class Resource : std::uint8_t {
    image,          // the erofs file of the mode's root
    volume,         // what a LUKS2 volume holds, by its file or block device
    tree,           // a directory of the host, bound into the mode
    device,         // a class of devices
    network,        // a segment: the uplink, a tunnel
    kernel,         // an object of the kernel that no namespace covers
    host_program,   // a hook
    counter,        // a number about the whole machine that a mode can read
    notifications,  // how many another mode has, or what they say
};
inline constexpr std::string_view kResourceNames =
    "image|volume|tree|device|network|kernel|host-program|counter|notifications";

enum Right : std::uint8_t {
    right_read = 1,
    right_write = 2,
    right_execute = 4,
    right_signal = 8,    // locks, leases, futexes, FIFOs and sockets: a bit at a time, both ways
    right_connect = 16,  // both ways
};
std::string rights_text(std::uint8_t rights);  // "read, write"

struct Access {
    Resource kind{};
    std::string resource;     // the same text in every mode that reaches the same thing
    std::uint8_t rights = 0;  // Right bits
    std::string by;           // who stands between the modes that share it, "" nobody
    std::string how;          // where or by what: "/music", "keyctl"
    bool enforced = true;     // false: the mode does not start while this build lacks it
    bool ambient = false;     // no key of the profile opens it
    Location at;

    bool sends() const { return (rights & (right_write | right_signal | right_connect)) != 0; }
    bool receives() const { return (rights & ~std::uint8_t{right_write}) != 0; }
};

// Of one mode, by kind and resource. The plan may be one that is only meant (intended_plan).
// Counts on the walls that must be there, not on those that a phone may lack: Landlock and
// AppArmor hold back nothing here unless the profile requires them.
std::vector<Access> reach(const Subject& subject);

}  // namespace pmos::policy
