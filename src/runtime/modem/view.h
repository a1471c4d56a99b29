// modem: what one mode sees, by numbers of its own: those of ModemManager count what all modes do.
// Values only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/modem/radio.h"

namespace pmos::modem {

// A path is the Radio's; "" while it has none, or none any more.
struct OwnCall {
    std::string line, path, number;
    CallState state{};
    std::int32_t reason = 0;
    Direction direction{};
    bool emergency = false;
    bool starting = false;
};

struct OwnText {
    std::string line, path, number, text, timestamp;
    TextState state{};
    bool incoming = false;
    bool sending = false;
};

// What it is now is the Radio's.
struct OwnBearer {
    std::string line, path;
};

struct View {
    ModeRights rights;
    std::map<std::string, unsigned> lines;  // by the Radio's path
    std::map<unsigned, OwnCall> calls;
    std::map<unsigned, OwnText> texts;
    std::map<unsigned, OwnBearer> bearers;
    unsigned next_line = 0, next_call = 0, next_text = 0, next_bearer = 0;
};

// So that the map may change meanwhile.
template <class Map>
std::vector<typename Map::key_type> keys_of(const Map& map) {
    std::vector<typename Map::key_type> keys;
    for (const auto& [key, value] : map) keys.push_back(key);
    return keys;
}

inline bool is_over(CallState state) { return state == CallState::terminated; }
// It occupies the line.
inline bool is_live(const OwnCall& call) {
    return !call.path.empty() && !is_over(call.state) &&
           (call.state != CallState::unknown || call.starting);
}

}  // namespace pmos::modem
