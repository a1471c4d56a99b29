// panel: the trusted strip, the chooser of modes and the pads for secrets, laid out. Pure: what is
// known of the modes and where the person is comes in, a page goes out.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "runtime/panel/page.h"
#include "runtime/panel/protocol.h"

namespace pmos::panel {

// How a mode's secret is typed.
enum class Pad : std::uint8_t { digits, letters };

// What is asked of a person: the secret of a mode that is locked, or an emergency number.
struct Asked {
    std::string mode;      // "": an emergency number
    std::string number;    // as far as it is typed: no secret
    bool calling = false;  // there is such a call
    Pad pad = Pad::digits;
    int keys = 0;                      // of the pad of letters: which page of it
    std::size_t typed = 0;             // characters, and no more is known of them here
    bool busy = false;                 // somebody judges it
    std::string message;               // why not, last time
    std::string order = "1234567890";  // where the digits lie, from the top left on
};

struct View {
    const Table& table;
    Size screen;                   // logical pixels
    std::chrono::seconds now{};    // CLOCK_BOOTTIME
    const Asked* asked = nullptr;  // none: the chooser
    std::string message = {};      // of the last thing asked for that could not be
};

// The strip's, which is as high on every screen of one look.
int strip_height(const Look& look);
// The part of the screen that pages and modes have.
Box below_strip(const Look& look, Size screen);

// covered: a page of the panel is shown, and no mode.
Page strip_page(const Table& table, Size screen, bool covered);
Page chooser_page(const View& view);
Page pad_page(const View& view);

// How much lighter the lighter of two colours is: 1 to 21, as WCAG 2.1 counts it.
double contrast(Color a, Color b);

}  // namespace pmos::panel
