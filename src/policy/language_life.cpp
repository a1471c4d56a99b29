// policy: the language: limits, the life of a mode, hooks. Reads nothing.
#include <array>

#include "policy/language_rows.h"
#include "policy/launch_plan.h"

namespace pmos::policy {
namespace {

constexpr std::array kResourceKeys{
    KeySpec{.path = "resources", .types = kObj, .doc = "cgroup v2 limits."},
    KeySpec{.path = "resources/memory", .types = kObj, .doc = "Memory controller."},
    KeySpec{.path = "resources/memory/max",
            .types = kLimit,
            .doc = "memory.max",
            .format = Format::size_or_max,
            .example = "\"1GiB\""},
    KeySpec{.path = "resources/memory/high",
            .types = kLimit,
            .doc = "memory.high",
            .format = Format::size_or_max},
    KeySpec{.path = "resources/memory/swapMax",
            .types = kLimit,
            .doc = "memory.swap.max, default 0: a mode's memory stays out of swap.",
            .format = Format::size_or_max},
    KeySpec{.path = "resources/pids", .types = kObj, .doc = "pids controller."},
    KeySpec{.path = "resources/pids/max",
            .types = kInt | kObj,
            .doc = "pids.max",
            .min = 1,
            .max = 4194304,
            .example = "512"},
    KeySpec{.path = "resources/cpu", .types = kObj, .doc = "cpu controller."},
    KeySpec{.path = "resources/cpu/max",
            .types = kStr | kObj,
            .doc = "cpu.max: quota and period in µs.",
            .format = Format::cpu_max,
            .example = "\"50000 100000\""},
    KeySpec{.path = "resources/cpu/weight",
            .types = kInt | kObj,
            .doc = "cpu.weight",
            .min = 1,
            .max = 10000},
    KeySpec{.path = "resources/io", .types = kObj, .doc = "io controller."},
    KeySpec{.path = "resources/io/weight",
            .types = kInt | kObj,
            .doc = "io.weight",
            .min = 1,
            .max = 10000},
    KeySpec{.path = "resources/io/max", .types = kStr, .doc = "io.max", .enforced = ""},
    // Below every limit above that may be an object.
    KeySpec{
        .path = "resources/*/*/value", .types = kStr | kInt, .doc = "The limit.", .required = true},
    KeySpec{.path = "resources/*/*/optional",
            .types = kBool,
            .doc = "true: skip it, with a warning, where the kernel lacks the controller."},
};

constexpr std::array kSessionKeys{
    KeySpec{.path = "session", .types = kObj, .doc = "The mode's life."},
    KeySpec{.path = "session/autostart",
            .types = kBool,
            .doc = "Start when pmosd starts.",
            .fallback = "false"},
    KeySpec{.path = "session/background",
            .types = kStr,
            .doc = "What a mode does that is not in the foreground.",
            .values = "freeze|run|throttle",
            .enforced = "freeze|run",
            .fallback = "\"freeze\""},
    KeySpec{.path = "session/onLock",
            .types = kStr,
            .doc =
                "Strength of lock. evict: stop, unmount, close. suspend: freeze, write out, take "
                "the keys away; what its processes hold stays in memory. freeze: the mode stands "
                "still; its keys and all that it has open stay in memory.",
            .values = kOnLockNames,
            .fallback = "\"evict\""},
    KeySpec{.path = "session/lockAfter",
            .types = kStr,
            .doc = "Lock after this time unused: in the background, or behind a locked screen.",
            .format = Format::duration,
            .example = "\"5min\""},
    KeySpec{.path = "session/lockAt",
            .types = kArr,
            .doc = "Lock at these moments.",
            .max = 3,
            .fallback = "[]"},
    KeySpec{.path = "session/lockAt/[]",
            .types = kStr,
            .doc = "background: when it leaves the foreground. screen-lock: when the screen is "
                   "locked. sleep: before the phone sleeps.",
            .values = kLockAtNames},
    KeySpec{
        .path = "session/evictAfter",
        .types = kStr,
        .doc =
            "Evict after this time suspended or frozen by a lock, or open behind a locked screen. "
            "0s: never.",
        .format = Format::duration,
        .fallback = "\"18h\""},
    KeySpec{.path = "session/unlockRecent",
            .types = kObj,
            .doc = "What is enough for a mode that was locked by freeze, for a time after its own "
                   "secret was given. Left out: nothing but that."},
    KeySpec{.path = "session/unlockRecent/methods",
            .types = kArr,
            .doc = "Any of these is.",
            .max = 1,
            .required = true,
            .example = "[\"fingerprint\"]"},
    KeySpec{.path = "session/unlockRecent/methods/[]",
            .types = kStr,
            .doc = "A method.",
            .values = "fingerprint"},
    KeySpec{.path = "session/unlockRecent/within",
            .types = kStr,
            .doc = "The time; at most 72h.",
            .format = Format::duration,
            .required = true,
            .example = "\"4h\""},
    KeySpec{.path = "session/eraseAfterFailures",
            .types = kInt,
            .doc = "Erase the mode after so many wrong PINs in a row. Left out: never.",
            .min = 10,
            .max = 20,
            .example = "20"},
    KeySpec{.path = "session/stopTimeout",
            .types = kStr,
            .doc = "Between SIGTERM and the kill.",
            .format = Format::duration,
            .fallback = "\"5s\""},
};

constexpr std::array kHookKeys{
    KeySpec{.path = "hooks",
            .types = kObj,
            .doc = "Programs of the host at moments of a mode.",
            .keys = kHookPointNames},
    KeySpec{.path = "hooks/*", .types = kArr, .doc = "Run one after the other.", .max = 16},
    KeySpec{.path = "hooks/*/[]",
            .types = kStr | kObj,
            .doc = "A path: absolute, or below the hooks directory.",
            .format = Format::hook_path,
            .example = "\"volume-check\""},
    KeySpec{.path = "hooks/*/[]/path",
            .types = kStr,
            .doc = "The program.",
            .format = Format::hook_path,
            .required = true},
    KeySpec{.path = "hooks/*/[]/args",
            .types = kArr,
            .doc = "Arguments after its name.",
            .max = 64,
            .fallback = "[]"},
    KeySpec{.path = "hooks/*/[]/args/[]", .types = kStr, .doc = "One argument."},
    KeySpec{.path = "hooks/*/[]/timeout",
            .types = kStr,
            .doc = "How long it may take.",
            .format = Format::duration,
            .fallback = "\"10s\""},
};

}  // namespace

KeySpecs resource_keys() { return kResourceKeys; }
KeySpecs session_keys() { return kSessionKeys; }
KeySpecs hook_keys() { return kHookKeys; }

}  // namespace pmos::policy
