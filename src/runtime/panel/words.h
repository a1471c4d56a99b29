// panel: the words that a person sees, in their language. gettext(3) has them; the text in the
// source is English.
#pragma once

#include <libintl.h>

#include <string>

namespace pmos::panel {

inline constexpr const char* kTextDomain = "pmos-panel";

// xgettext looks for this name.
[[gnu::format_arg(1)]] inline const char* tr(const char* text) {
    return ::dgettext(kTextDomain, text);
}

// From here on in this language, as in LANGUAGE: "zh_CN". Where there is no such translation, or
// the language is "", English.
void speak(const std::string& language);

}  // namespace pmos::panel
