// panel: the words that a person sees.
#include "runtime/panel/words.h"

#include <clocale>
#include <cstdlib>

extern "C" int _nl_msg_cat_cntr;  // of gettext: what it has looked up is out of date (its manual)

namespace pmos::panel {

void speak(const std::string& language) {
    // LANGUAGE counts in every locale but "C"; this one is in every glibc from 2.35 on.
    std::setlocale(LC_ALL, "C.UTF-8");
    ::bindtextdomain(kTextDomain, PMOS_LOCALE_DIR);
    ::bind_textdomain_codeset(kTextDomain, "UTF-8");
    ::setenv("LANGUAGE", language.empty() ? "en" : language.c_str(), 1);
    ++_nl_msg_cat_cntr;
}

}  // namespace pmos::panel
