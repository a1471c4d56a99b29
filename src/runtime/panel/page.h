// panel: what is on a part of the panel, as values: pieces with a place, a colour, words, and what
// a touch on them asks for. Draws nothing, asks nobody.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pmos::panel {

struct Size {
    int width = 0, height = 0;
    friend bool operator==(const Size&, const Size&) = default;
};

struct Box {
    int x = 0, y = 0, width = 0, height = 0;
    bool holds(double px, double py) const {
        return px >= x && py >= y && px < x + width && py < y + height;
    }
    friend bool operator==(const Box&, const Box&) = default;
};

using Color = std::uint32_t;  // 0xRRGGBB

enum class Icon : std::uint8_t { none, locked, open, microphone, call, tunnel, no_tunnel, erase };
enum class Align : std::uint8_t { left, middle };

enum class Verb : std::uint8_t {
    nothing,
    attention,  // from wherever to the chooser
    choose,     // a mode: to it, by its lock where it has one
    lock,       // a mode
    back,       // what is open is closed
    digit,      // of the pad, which one
    erase,      // the last character
    enter,
    page,       // of the keyboard on the screen: letters, capitals, signs
    emergency,  // to the pad for an emergency call
    hang_up,    // that call
};
constexpr std::string_view word_of(Verb verb) {
    constexpr std::string_view kWords[] = {"nothing", "attention", "choose", "lock",
                                           "back",    "digit",     "erase",  "enter",
                                           "page",    "emergency", "hang_up"};
    return kWords[static_cast<std::size_t>(verb)];
}
struct Action {
    Verb verb = Verb::nothing;
    std::string mode;
    std::string text;  // what it types
    friend bool operator==(const Action&, const Action&) = default;
};

struct Piece {
    Box box;
    Color fill = 0, ink = 0xffffff;
    bool filled = false, bold = false;
    int radius = 0;
    std::string text = {};
    int text_size = 0;  // of an em, in logical pixels
    Align align = Align::middle;
    Icon icon = Icon::none;
    Action action = {};
    friend bool operator==(const Piece&, const Piece&) = default;
};

struct Page {
    Size size;
    Color ground = 0;
    std::vector<Piece> pieces;

    // What a touch there asks for; the topmost counts.
    const Piece* at(double x, double y) const {
        for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece)
            if (piece->action.verb != Verb::nothing && piece->box.holds(x, y)) return &*piece;
        return nullptr;
    }
    friend bool operator==(const Page&, const Page&) = default;
};

}  // namespace pmos::panel
