// policy: the table of every key that handset.json may hold. Reads nothing.
#include <array>

#include "policy/handset.h"
#include "policy/language_rows.h"

namespace pmos::policy {
namespace {

// Those whose devices are nodes of their own. Panel and input are the compositor's.
constexpr std::string_view kClasses =
    "gpu|audio|camera|modem|gnss|sensors|usb|bluetooth|vibrator|torch";

constexpr std::array kHandsetKeys{
    kSchemaRow,
    KeySpec{.path = "model",
            .types = kStr,
            .doc = "The model of phone, which policy bundles may be made for.",
            .example = "\"x1\""},
    KeySpec{.path = "panel", .types = kObj, .doc = "How the panel looks, as docs/panel.md says."},
    KeySpec{.path = "panel/language",
            .types = kStr,
            .doc =
                "The language of its words, as gettext's LANGUAGE has it; English where there is "
                "no translation.",
            .example = "\"zh_CN\""},
    KeySpec{.path = "panel/textPercent",
            .types = kInt,
            .doc = "The size of its text, and of what is around it.",
            .min = 75,
            .max = 300,
            .fallback = "100"},
    KeySpec{.path = "panel/highContrast",
            .types = kBool,
            .doc = "Black, white and frames in place of shades.",
            .fallback = "false"},
    KeySpec{.path = "devices",
            .types = kObj,
            .doc = "Which devices are of which class. A class that is named has these and no "
                   "others; one that is not has those of the built-in rules.",
            .keys = kClasses},
    KeySpec{.path = "devices/*",
            .types = kArr,
            .doc = "The devices of the class; an empty list: none on this phone.",
            .max = 64},
    KeySpec{.path = "devices/*/[]",
            .types = kStr | kObj,
            .doc = "A node below /dev, or what is to match.",
            .format = Format::absolute_path,
            .example = "\"/dev/wwan0at0\""},
    KeySpec{.path = "devices/*/[]/path",
            .types = kStr,
            .doc = "A node below /dev; links are followed.",
            .format = Format::absolute_path},
    KeySpec{.path = "devices/*/[]/cdi",
            .types = kStr,
            .doc = "A device of the Container Device Interface: its nodes, as /etc/cdi or "
                   "/var/run/cdi say. Nothing else that is said there is done.",
            .example = "\"vendor.com/gpu=0\""},
    KeySpec{.path = "devices/*/[]/subsystem",
            .types = kStr,
            .doc = "The kernel's subsystem, as udev names it.",
            .example = "\"video4linux\""},
    KeySpec{.path = "devices/*/[]/name",
            .types = kStr,
            .doc = "The kernel's name of the device, a pattern: * ? [...].",
            .example = "\"video*\""},
    KeySpec{.path = "devices/*/[]/driver",
            .types = kStr,
            .doc = "The driver of the device, or of the nearest one that it hangs on; a pattern."},
    KeySpec{.path = "devices/*/[]/properties",
            .types = kObj,
            .doc = "Properties that udev knows of it; all must match. Those that begin with ID_ "
                   "may be those of a device that it hangs on.",
            .example = R"({"ID_PATH": "pci-0000:00:03.0"})",
            .keys = "*"},
    KeySpec{.path = "devices/*/[]/properties/*", .types = kStr, .doc = "A pattern: * ? [...]."},
    KeySpec{.path = "devices/*/[]/right",
            .types = kStr,
            .doc = "Which right opens it. Of gpu: render, display; of audio: playback, capture, "
                   "control; others have one.",
            .example = "\"render\""},
};

}  // namespace

const Language& handset_language() {
    static constexpr Language kLanguage{"pmos handset", kHandsetKeys};
    return kLanguage;
}

}  // namespace pmos::policy
