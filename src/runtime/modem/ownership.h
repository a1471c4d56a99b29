// modem: whose a call or a message is, by the policy's table. Pure: no bus, no file, no clock.
#pragma once

#include <string>
#include <string_view>

#include "runtime/modem/protocol.h"

namespace pmos::modem {

enum class Service : std::uint8_t { sms, voice, data };

// What a network says of a number, without spaces, dashes and brackets.
std::string plain_number(std::string_view number);
// Digits, with a + before them or not, and * and # of a service; no longer than E.164 and a little.
bool is_dialable(std::string_view number);
// 112 and 911 always are, without any SIM more (3GPP TS 22.101, 10.1).
bool is_emergency(std::string_view number, const std::vector<std::string>& more);
bool is_emergency_without_sim(std::string_view number);

// How well a rule matches: 0 not at all, an exact one before any beginning, a longer beginning
// before a shorter.
unsigned rule_matches(std::string_view rule, std::string_view number);

const ModeRights* find_mode(const Table& table, std::string_view name);
bool has_right(const ModeRights& mode, Service service);
// Whether it reaches the broker at all.
bool has_any(const ModeRights& mode);

// How a SIM or a modem can be named in `lines`.
struct LineNames {
    std::string device;                // as udev rules name it
    std::vector<std::string> numbers;  // of its SIM
    friend bool operator==(const LineNames&, const LineNames&) = default;
};
// Whether the mode may see and use the line: one that a mode claims is that mode's.
bool may_use(const Table& table, std::string_view mode, const LineNames& line);

// The one mode that claims the access point; "" none does, or several.
std::string owner_of_data(const Table& table, std::string_view access_point);

// The mode that what comes in from this number on this line belongs to; "" nobody. A number or a
// line that a mode claims is never another's, also where that mode has not the right; one that two
// claim is nobody's.
std::string owner_of(const Table& table, Service service, std::string_view number,
                     const LineNames& line);

}  // namespace pmos::modem
