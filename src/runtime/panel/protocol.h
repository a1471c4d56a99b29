// panel: what pmosd says to pmos-panel, what the panel asks of pmosd, and where. The wire only.
// docs/panel.md describes it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pmos::panel {

inline constexpr const char* kRunDir = "/run/pmos/panel";
// Of a mode: in a directory of its own, RUN/modes/MODE, which is bound into it.
inline constexpr const char* kModesDir = "modes";
inline constexpr const char* kModeSocket = "wayland-0";

inline constexpr const char* kService = "org.pmos.Panel1";
inline constexpr const char* kPath = "/org/pmos/Panel1";
inline constexpr const char* kControlInterface = "org.pmos.Panel1.Control";
// pmosd's, on the same connection: what a person who touches the panel may ask for. Switch(s mode),
// Lock(s mode), Unlock(s mode, h secret): the secret is read by the worker alone.
inline constexpr const char* kPersonInterface = "org.pmos.Panel1.Person";

// The way out of a mode whose network is a tunnel.
enum class Tunnel : std::uint8_t { none, stands, lost };
enum class Life : std::uint8_t { stopped, starting, running, frozen, broken };

struct ModeRow {
    std::string name, title;
    std::uint32_t color = 0;  // 0xRRGGBB
    std::uint64_t run = 0;    // 0: it does not run; of another one nobody has a window any more
    bool shown = false;       // it has a display, input in the front
    bool input = false;
    bool leases = false;  // outputs beside the panel's own are lent to it
    std::vector<std::string> protocols;
    bool foreground = false;
    Life life = Life::stopped;
    bool locked = false;     // it needs its secret before it goes on
    bool made = true;        // its volumes are there
    bool listens = false;    // it records
    bool calls = false;      // it has a call
    bool scrambles = false;  // where the digits of its pad lie
    Tunnel tunnel = Tunnel::none;
    std::uint64_t wait_until = 0;  // CLOCK_BOOTTIME in seconds: no secret is judged before; 0: now
    friend bool operator==(const ModeRow&, const ModeRow&) = default;
};

// For the eyes of who uses this phone.
struct Look {
    std::string language;  // as in LANGUAGE, "zh_CN"; "": English
    std::uint32_t text_percent = 100;
    bool high_contrast = false;
    friend bool operator==(const Look&, const Look&) = default;
};

// All that the panel has to know of the policy and of the modes. Replaced as a whole; a mode that
// is not in it, does not run or is not shown has no socket.
struct Table {
    std::vector<ModeRow> modes;
    Look look;
    friend bool operator==(const Table&, const Table&) = default;
};

// Of SetTable. It is answered when nothing of who is not in front any more is drawn or gets input.
inline constexpr const char* kModeFields = "ssutbbbasbybbbbbyt";
inline constexpr const char* kModeSignature = "(ssutbbbasbybbbbbyt)";
inline constexpr const char* kLookFields = "sub";
inline constexpr const char* kLookSignature = "(sub)";

}  // namespace pmos::panel
