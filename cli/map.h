// cli: the modes and what they share as a drawing: modes stand side by side, each on a line of its
// own that goes down, and every channel crosses them as a bar. Arrows point at who hears. Reads no
// file.
#pragma once

#include <string>
#include <vector>

#include "cli/markup.h"
#include "policy/channels.h"

namespace pmos::cli {

struct Rail {  // a mode
    std::string name;
    std::vector<std::string> title;
    double x = 0;
};

struct Mark {  // where a bar meets a mode of the channel
    double x = 0;
    bool from_left = false, from_right = false;  // it hears who stands there
    std::vector<std::string> title;              // each way in, with its line
};

struct Bar {  // a channel
    double y = 0;
    policy::Control control{};
    bool enforced = true;
    std::string name, note;          // as they fit the drawing
    std::vector<std::string> title;  // the whole, line by line
    std::vector<Mark> marks;         // from left to right
};

struct Drawing {
    double width = 0, height = 0;
    double rails_top = 0;
    double text_x = 0;           // where the bars' names begin
    bool names_above = false;    // of bars: above them, where there is no room beside them
    bool names_upright = false;  // of modes
    std::vector<Rail> rails;
    std::vector<Bar> bars;
};

enum class Shape : std::uint8_t {
    wide,    // what is shared has a column of its own
    narrow,  // for a phone held upright
};
Drawing draw(const policy::Separation& separation, const std::vector<policy::Channel>& channels,
             Shape shape);

// Of a mode's name and of what is round it: letters are bold, and wide ones.
inline constexpr double kNameLetter = 9.8;
constexpr double name_width(std::size_t letters) {
    return kNameLetter * static_cast<double>(letters) + 22;
}

// Of more modes than this a table or a drawing shows each in little room.
inline constexpr std::size_t kFewModes = 7;

// Colours and lines, light and dark. It stands alone, or in a page's own style.
Literal map_style();
// A class of that style.
Literal control_class(policy::Control control);
// An <svg> element for a page that has the style already.
void add_svg(Markup& to, const Drawing& drawing, Literal css_class);
// A file that stands alone.
std::string svg_file(const Drawing& drawing);
// The same for graphviz: modes and resources are nodes.
std::string dot_file(const policy::Separation& separation,
                     const std::vector<policy::Channel>& channels);

// "personal can read, write (/music): profiles/personal.json:12:5"
std::string end_text(const policy::Separation& separation,
                     const std::pair<std::uint32_t, std::uint32_t>& end);
// "directory: nobody controls it"; brief: who arbitrates, and not why
std::string channel_note(const policy::Channel& channel, bool brief = false);
struct Arrows {
    std::string_view both_ways = " ↔ ", one_way = " → ";
};
// "a ↔ b", "a → b, c"
std::string channel_way(const policy::Separation& separation, const policy::Channel& channel,
                        const Arrows& arrows = {});
std::string_view kind_words(policy::Resource kind);  // "directory", "host program"

}  // namespace pmos::cli
