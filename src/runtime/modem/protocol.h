// modem: what pmosd and pmosctl say to pmos-modem, and where. The wire only. docs/modem.md
// describes it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pmos::modem {

inline constexpr const char* kRunDir = "/run/pmos/modem";
inline constexpr const char* kControlSocket = "/run/pmos/modem/control";
inline constexpr const char* kHostSocket = "/run/pmos/modem/host";
// Of a mode: in a directory of its own, RUN/modes/MODE, which is bound into it.
inline constexpr const char* kModesDir = "modes";
inline constexpr const char* kModeSocket = "bus";

inline constexpr const char* kPath = "/org/pmos/Modem1";
inline constexpr const char* kControlInterface = "org.pmos.Modem1.Control";
inline constexpr const char* kHostInterface = "org.pmos.Modem1.Host";

// Of one mode. Numbers: E.164, or the beginning of one and "*".
struct ModeRights {
    std::string name;
    std::uint32_t id_start = 0, id_count = 0;  // of the host, that its processes have
    bool sms = false, voice = false, emergency = false, data = false;
    bool foreground = false;
    bool running = false;  // and not locked: its programs can speak
    std::vector<std::string> numbers;
    std::vector<std::string> lines;
    std::vector<std::string> access_points;  // the first is the usual one
    friend bool operator==(const ModeRights&, const ModeRights&) = default;
};

// All that the broker has to know of the policy. Replaced as a whole.
struct Table {
    std::vector<ModeRights> modes;
    std::string fallback;                // whose is what no rule is about; "" nobody's
    std::vector<std::string> emergency;  // numbers beside those that always are
    friend bool operator==(const Table&, const Table&) = default;
};

// Of SetTable: name, id start and count, sms, voice, emergency, data, foreground, running,
// numbers, lines, access points; then the fallback and the emergency numbers.
inline constexpr const char* kModeSignature = "(suubbbbbbasasas)";
inline constexpr const char* kModeFields = "suubbbbbbasasas";

}  // namespace pmos::modem
