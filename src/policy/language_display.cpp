// policy: the language: how a mode meets the panel. Reads nothing.
#include <array>

#include "policy/language_rows.h"

namespace pmos::policy {
namespace {

constexpr std::array kDisplayKeys{
    KeySpec{.path = "display",
            .types = kObj,
            .doc = "How the mode is shown on the panel, as docs/panel.md says."},
    KeySpec{.path = "display/title",
            .types = kStr,
            .doc = "What the trusted strip calls the mode. Default: its name.",
            .format = Format::title,
            .example = "\"Work\""},
    KeySpec{.path = "display/color",
            .types = kStr,
            .doc = "The strip's colour while the mode is in front. No two modes should have the "
                   "same.",
            .format = Format::color,
            .example = "\"#b71c1c\"",
            .fallback = "\"#455a64\""},
    KeySpec{.path = "display/scramblePad",
            .types = kBool,
            .doc = "The digits of the mode's pad lie somewhere else each time, so that who sees "
                   "where it is touched does not know the PIN.",
            .fallback = "false"},
    KeySpec{.path = "display/whenLost",
            .types = kStr,
            .doc =
                "When the panel's process has died, and another has come: programs have lost their "
                "windows. keep: the mode runs on, and who ends for it is its own to start again. "
                "restart: the mode is started anew.",
            .values = kDisplayLostNames,
            .fallback = "\"keep\""},
    KeySpec{.path = "display/protocols",
            .types = kArr,
            .doc = "Of Wayland's protocols, what the mode's programs find beside the core, "
                   "xdg_wm_base and, with the right to input, wl_seat.",
            .max = 16,
            .fallback = "[\"wl_data_device_manager\", \"wp_viewporter\", \"wp_presentation\", "
                        "\"zxdg_decoration_manager_v1\"]"},
    KeySpec{.path = "display/protocols/[]",
            .types = kStr,
            .doc = "An interface by its name. The clipboard (wl_data_device_manager, "
                   "zwp_primary_selection_device_manager_v1) is the mode's own.",
            .values = kDisplayProtocolNames},
};

}  // namespace

KeySpecs display_keys() { return kDisplayKeys; }

}  // namespace pmos::policy
