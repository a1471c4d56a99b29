// policy: the language: devices and what comes in by them. Reads nothing.
#include <array>

#include "policy/language_rows.h"

namespace pmos::policy {
namespace {

constexpr std::array kDeviceKeys{
    KeySpec{.path = "devices", .types = kObj, .doc = "Device classes and rights."},
    KeySpec{.path = "devices/gpu",
            .types = kStr,
            .doc = "render: render nodes only. full: also the display controller.",
            .values = "none|render|full",
            .enforced = "none|render",
            .fallback = "\"none\""},
    KeySpec{.path = "devices/display",
            .types = kStr,
            .doc = "The screen, by pmos-panel: a Wayland display of the mode's own, shown while it "
                   "is in the foreground. lease: also the outputs that are not the panel's own, by "
                   "wp_drm_lease_device_v1.",
            .values = "none|foreground|lease",
            .fallback = "\"none\""},
    KeySpec{.path = "devices/input",
            .types = kStr,
            .doc = "Touch, pointer and keys, by pmos-panel, while the mode is in the foreground.",
            .values = "none|foreground",
            .fallback = "\"none\""},
    KeySpec{.path = "devices/audio",
            .types = kStr | kObj,
            .doc = "Sound, by the broker, as docs/audio.md says. none, or its parts.",
            .values = "none",
            .fallback = "\"none\""},
    KeySpec{.path = "devices/audio/playback",
            .types = kStr,
            .doc = "Loudspeaker.",
            .values = kPresenceNames},
    KeySpec{.path = "devices/audio/capture",
            .types = kStr,
            .doc = "Microphone.",
            .values = kPresenceNames},
    KeySpec{.path = "devices/camera",
            .types = kStr,
            .doc = "Cameras.",
            .values = kPresenceNames,
            .fallback = "\"none\""},
    KeySpec{.path = "devices/modem",
            .types = kStr | kArr,
            .doc = "none, or services of the broker, as docs/modem.md says. No mode has the "
                   "modem's port.",
            .values = "none",
            .max = 8,
            .fallback = "\"none\""},
    KeySpec{.path = "devices/modem/[]",
            .types = kStr,
            .doc = "A service of the modem. data: connections to the access points below. "
                   "emergency: calls to emergency numbers and no others, "
                   "which whoever has another service may make too.",
            .values = "data|emergency|sms|voice"},
    KeySpec{.path = "devices/gnss",
            .types = kStr,
            .doc = "Position.",
            .values = kPresenceNames,
            .fallback = "\"none\""},
    KeySpec{.path = "devices/sensors",
            .types = kStr,
            .doc = "Motion, light, proximity.",
            .values = kPresenceNames,
            .fallback = "\"none\""},
    KeySpec{.path = "devices/usb",
            .types = kStr,
            .doc = "USB devices.",
            .values = kPresenceNames,
            .fallback = "\"none\""},
    KeySpec{.path = "devices/bluetooth",
            .types = kStr,
            .doc = "Bluetooth.",
            .values = kPresenceNames,
            .enforced = "none",
            .fallback = "\"none\""},
    KeySpec{.path = "devices/vibrator",
            .types = kStr,
            .doc = "Vibration motor.",
            .values = kPresenceNames,
            .enforced = "none",
            .fallback = "\"none\""},
    KeySpec{.path = "devices/torch",
            .types = kStr,
            .doc = "Torch.",
            .values = kPresenceNames,
            .enforced = "none",
            .fallback = "\"none\""},
};

constexpr std::array kAudioKeys{
    KeySpec{.path = "audio", .types = kObj, .doc = "How the mode's programs meet sound."},
    KeySpec{.path = "audio/whenTaken",
            .types = kStr,
            .doc = "Of what is the mode's in the foreground only, behind another. silence: a "
                   "program plays and records on, silence. error: what it uses ends, and can be "
                   "opened again in the foreground.",
            .values = kWhenTakenNames,
            .fallback = "\"silence\""},
};

constexpr std::array kModemKeys{
    KeySpec{.path = "modem",
            .types = kObj,
            .doc =
                "What of the modem's calls, messages and connections is this mode's. What a mode "
                "claims and has no right to is nobody's."},
    KeySpec{
        .path = "modem/numbers", .types = kArr, .doc = "What comes from these numbers.", .max = 64},
    KeySpec{.path = "modem/numbers/[]",
            .types = kStr,
            .doc = "A number as the network tells it, or the beginning of one and *; the longest "
                   "that matches counts.",
            .format = Format::number_rule,
            .example = "\"+4930*\""},
    KeySpec{.path = "modem/lines",
            .types = kArr,
            .doc = "What comes in on these lines; no other mode sees or uses them.",
            .max = 8},
    KeySpec{.path = "modem/lines/[]",
            .types = kStr,
            .doc = "A SIM by its own number, or a modem by its name in udev (ID_MM_PHYSDEV_UID).",
            .format = Format::line_name,
            .example = "\"+4915112345678\""},
    KeySpec{.path = "modem/accessPoints",
            .types = kArr,
            .doc = "Connections to these (APN) are this mode's, whoever makes them. The first is "
                   "what a program has that names none.",
            .max = 8},
    KeySpec{.path = "modem/accessPoints/[]",
            .types = kStr,
            .doc = "A name as the network knows it, in lower case.",
            .format = Format::access_point,
            .example = "\"intern.example\""},
    KeySpec{.path = "modem/rest",
            .types = kBool,
            .doc = "Whatever nothing else is said of; one mode can have it. A call is first that "
                   "of who is in front, if it may speak.",
            .fallback = "false"},
};

}  // namespace

KeySpecs device_keys() { return kDeviceKeys; }
KeySpecs audio_keys() { return kAudioKeys; }
KeySpecs modem_keys() { return kModemKeys; }

}  // namespace pmos::policy
