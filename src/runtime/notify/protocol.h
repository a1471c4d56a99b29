// notify: what pmosd says to pmos-notify, and where. The wire only. docs/notifications.md describes
// it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pmos::notify {

inline constexpr const char* kRunDir = "/run/pmos/notify";
// Of a mode: in a directory of its own, RUN/modes/MODE, which is bound into it.
inline constexpr const char* kModesDir = "modes";
inline constexpr const char* kModeSocket = "bus";

inline constexpr const char* kService = "org.pmos.Notify1";
inline constexpr const char* kPath = "/org/pmos/Notify1";
inline constexpr const char* kControlInterface = "org.pmos.Notify1.Control";
inline constexpr const char* kHostInterface = "org.pmos.Notify1.Host";

// What others learn of a mode's notifications while it is not in front.
enum class Telling : std::uint8_t {
    nothing,
    count,  // how many there are
    full,   // and what they say
};

struct ModeRights {
    std::string name;
    std::uint64_t run = 0;                     // of the mode; of another one nothing is kept
    std::uint32_t id_start = 0, id_count = 0;  // of the host, that its processes have
    bool notifies = false;
    Telling telling = Telling::nothing;
    bool keeps_awake = false;  // its programs may ask that the screen stays on
    bool foreground = false;
    bool locked = false;  // nothing of it is kept
    friend bool operator==(const ModeRights&, const ModeRights&) = default;
};

// All that the broker has to know of the policy and of the modes. Replaced as a whole; a mode that
// is not in it has no socket.
struct Table {
    std::vector<ModeRights> modes;
    friend bool operator==(const Table&, const Table&) = default;
};

// Of one mode what pmosd may know: how many notifications others may see there are now, and whether
// a program of it asks that the screen stays on.
struct ModeUse {
    std::string name;
    std::uint32_t count = 0;
    bool wants_awake = false;
    friend bool operator==(const ModeUse&, const ModeUse&) = default;
};

// Of SetTable: name, run, id start and count, notifies, telling, keeps awake, foreground, locked.
// It answers, as the signal Changed says later, the uses of the modes that have any.
inline constexpr const char* kModeSignature = "(stuubybbb)";
inline constexpr const char* kModeFields = "stuubybbb";
inline constexpr const char* kUseSignature = "(sub)";
inline constexpr const char* kUseFields = "sub";

}  // namespace pmos::notify
