// notify: a notification as the specification (1.2) sends it, and what of it is taken: text.
#pragma once

#include <systemd/sd-bus.h>

#include <cstdint>

#include "runtime/notify/notes.h"

namespace pmos::notify {

inline constexpr const char* kNoteSignature = "susssasa{sv}i";

// 0 or more; below: the message does not hold one. Icons, pictures, sounds and paths are passed
// over.
int read_note(sd_bus_message* m, Clock::time_point now, Note& note, std::uint32_t& replaces);

}  // namespace pmos::notify
