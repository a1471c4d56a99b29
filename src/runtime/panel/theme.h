// panel: what the pages have in common: colours, sizes, buttons. Only their own files include it.
#pragma once

#include <algorithm>
#include <string>

#include "runtime/panel/pages.h"

namespace pmos::panel {

struct Theme {
    Color ground, button, ink, quiet, fault;
    int text;  // of the usual size
};
Theme theme_of(const Look& look);
inline constexpr Color kGo = 0x2e7d32, kEmergency = 0xb71c1c;

// Black or white, whichever can be read there.
Color ink_on(Color ground);
// "" where no secret has to wait.
std::string wait_words(std::uint64_t until, std::chrono::seconds now);

Piece text(Box box, std::string words, int size, Color ink, Align align = Align::middle);
Piece button(Box box, std::string words, const Theme& theme, Action action);
// With a frame around what would otherwise be black on black.
void add_button(Page& page, const Look& look, Piece piece);
// In its colour where the look has colours.
Piece colored(Piece piece, Color color, const Look& look);

}  // namespace pmos::panel
