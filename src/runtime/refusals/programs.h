// refusals: the BPF programs that run after a security hook and tell what it refused. Assembles
// them; loads none.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/bpf/call.h"
#include "runtime/refusals/types.h"

namespace pmos::refusals {

// What they read and write, as descriptors.
struct Maps {
    int watched = -1;  // hash: cgroup id to Watch
    int told = -1;     // LRU hash: Key to Told
    int ring = -1;
};
enum Watched : std::uint32_t { watch_capabilities = 1, watch_landlock = 2 };
// Of one cgroup and those below it. The programs write all but the first.
struct Watch {
    std::uint64_t what = 0;   // bits of Watched
    std::uint64_t lost = 0;   // refusals, all told: too many in a second, or no room in the ring
    std::uint64_t since = 0;  // ktime: the second that `told` counts in
    std::uint64_t told = 0;
};

// What makes two refusals the same: repetitions are counted, and told ten times a second.
struct Key {
    std::uint64_t cgroup = 0;
    std::uint32_t process = 0;
    std::uint32_t hook = 0;
    std::uint32_t number = 0;  // the capability, or open's flags
    std::uint32_t own = 0;     // asked of the mode's own user namespace
    std::uint64_t object = 0;  // the address of the file's dentry: two files are two refusals
};
struct Told {
    std::uint64_t at = 0;    // ktime
    std::uint64_t more = 0;  // since then
};
struct Record {
    Key key;
    std::uint64_t more = 0;  // the same, not told one by one before this
    char program[16]{};
    char name[40]{};  // of what was tried, without its directory; cut off
};
static_assert(sizeof(Watch) == 32 && sizeof(Key) == 32 && sizeof(Told) == 16 &&
              sizeof(Record) == 96);

constexpr std::uint64_t kOnceIn = 100'000'000;  // ns
constexpr std::uint64_t kSecond = 1'000'000'000;
// Records of one watched cgroup in a second: all modes share a ring of 630, and none fills it
// alone.
constexpr std::uint64_t kTellInSecond = 64;
// How far below the root a watched cgroup may be: a mode's is the second or third.
constexpr int kDeepest = 6;

bpf::Program program_for(const HookRow& row, const Types& types, const Maps& maps);

}  // namespace pmos::refusals
