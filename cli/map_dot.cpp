// cli: what modes share as a graph for graphviz. Reads no file.
#include <fmt/format.h>

#include "cli/map.h"
#include "policy/names.h"

namespace pmos::cli {
namespace {

using policy::Channel;
using policy::Control;
using policy::Separation;

// A quoted string in which graphviz finds neither an escape nor an entity of its own.
std::string quoted(std::string_view foreign) {
    std::string out = "\"";
    const std::string text = visible(foreign);
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (c == '&')
            out += "&amp;";
        else
            out += c;
    }
    return out + "\"";
}

// Lines of a tooltip: visible() would show the line feeds.
std::string quoted_lines(const std::vector<std::string>& lines) {
    std::string out = "\"";
    for (const auto& line : lines) {
        const auto one = quoted(line);
        out += (out.size() == 1 ? "" : "\\n") + one.substr(1, one.size() - 2);
    }
    return out + "\"";
}

struct Look {
    std::string_view colour, width;
};

Look look_of(Control control) {
    if (control == Control::open) return {"#c0262d", "2.5"};
    if (control == Control::consented) return {"#96610a", "2"};
    return {"#2463a8", "1.2"};
}

// One edge for each mode that takes part, with an arrowhead at each end that hears.
void add_edges(std::string& out, const Separation& s, const Channel& c, std::size_t index) {
    for (auto end = c.ends.begin(); end != c.ends.end();) {
        const auto mode = end->first;
        std::vector<std::string> lines;
        for (; end != c.ends.end() && end->first == mode; ++end) lines.push_back(end_text(s, *end));
        const bool sends = c.senders.contains(mode), hears = c.receivers.contains(mode);
        const auto look = look_of(c.control);
        out += fmt::format(
            "  m{} -> r{} [dir={}, color=\"{}\", penwidth={}{}, edgetooltip={}];\n", mode, index,
            sends && hears ? "both"
            : sends        ? "forward"
                           : "back",
            look.colour, look.width, c.enforced ? "" : ", style=dashed", quoted_lines(lines));
    }
}

}  // namespace

std::string dot_file(const Separation& s, const std::vector<Channel>& channels) {
    std::string out =
        "digraph modes {\n"
        "  rankdir=LR;\n"
        "  node [fontname=\"sans-serif\", fontsize=12];\n"
        "  edge [fontname=\"sans-serif\", fontsize=10];\n";
    for (std::size_t m = 0; m < s.modes.size(); ++m)
        out += fmt::format("  m{} [shape=box, style=\"rounded,bold\", label={}];\n", m,
                           quoted(s.modes[m].mode));
    for (std::size_t i = 0; i < channels.size(); ++i) {
        const Channel& c = channels[i];
        std::vector<std::string> lines{channel_way(s, c)};
        for (const auto& at : c.consents)
            lines.push_back(fmt::format("accepted in {}", policy::to_text(at)));
        out += fmt::format("  r{} [shape=ellipse, color=\"{}\", label={}, tooltip={}];\n", i,
                           look_of(c.control).colour,
                           quoted_lines({c.resource, channel_note(c, true)}), quoted_lines(lines));
    }
    for (std::size_t i = 0; i < channels.size(); ++i) add_edges(out, s, channels[i], i);
    return out + "}\n";
}

}  // namespace pmos::cli
