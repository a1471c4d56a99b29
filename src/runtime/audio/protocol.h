// audio: what pmosd says to pmos-audio, and where. The wire only. docs/audio.md describes it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pmos::audio {

inline constexpr const char* kRunDir = "/run/pmos/audio";
// Of a mode: in a directory of its own, RUN/modes/MODE, which is bound into it.
inline constexpr const char* kModesDir = "modes";
inline constexpr const char* kModeSocket = "pipewire-0";

inline constexpr const char* kService = "org.pmos.Audio1";
inline constexpr const char* kPath = "/org/pmos/Audio1";
inline constexpr const char* kControlInterface = "org.pmos.Audio1.Control";

// What a mode's programs find where the loudspeaker, or the microphone, would be.
enum class Gate : std::uint8_t {
    absent,  // no device: what uses it fails
    silent,  // a device that takes all and gives silence
    open,    // the phone's
};

struct ModeSound {
    std::string name;
    std::uint32_t id = 0;  // of the host, as which the mode's instance runs
    Gate playback = Gate::absent, capture = Gate::absent;
    bool moves = false;  // its processes run: neither stopped, locked nor frozen
    friend bool operator==(const ModeSound&, const ModeSound&) = default;
};

// All that the broker has to know of the policy and of the modes. Replaced as a whole; a mode that
// is not in it has no instance.
struct Table {
    std::vector<ModeSound> modes;
    friend bool operator==(const Table&, const Table&) = default;
};

// Who uses what of the phone now.
struct Users {
    std::vector<std::string> recording, playing;
    std::string no_hardware;  // why nobody can; "": the phone's PipeWire is there
    friend bool operator==(const Users&, const Users&) = default;
};

// Of SetTable: name, id, playback, capture (as in Gate), moves. It answers, as the signal
// UsersChanged says later, which modes record, which play, and why nobody can.
inline constexpr const char* kModeSignature = "(suyyb)";
inline constexpr const char* kModeFields = "suyyb";

}  // namespace pmos::audio
