// cli: HTML and SVG as text. What is not a literal of our own gets in only escaped.
#include "cli/markup.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "base/text.h"

namespace pmos::cli {
namespace {

struct Range {
    std::uint32_t first, last;
};

// Unicode's format characters, fillers and what is no character (DerivedCoreProperties.txt,
// Default_Ignorable_Code_Point; Bidi_Control), and what XML 1.0 does not admit.
constexpr std::array kUnseen{
    Range{0xad, 0xad},       Range{0x34f, 0x34f},     Range{0x600, 0x605},
    Range{0x61c, 0x61c},     Range{0x6dd, 0x6dd},     Range{0x70f, 0x70f},
    Range{0x115f, 0x1160},   Range{0x17b4, 0x17b5},   Range{0x180b, 0x180f},
    Range{0x200b, 0x200f},   Range{0x2028, 0x202e},   Range{0x2060, 0x206f},
    Range{0x3164, 0x3164},   Range{0xfe00, 0xfe0f},   Range{0xfeff, 0xfeff},
    Range{0xffa0, 0xffa0},   Range{0xfff0, 0xfffb},   Range{0xfffe, 0xffff},
    Range{0x1bca0, 0x1bca3}, Range{0x1d173, 0x1d17a}, Range{0xe0000, 0xe0fff},
};

bool is_unseen(std::uint32_t point) {
    const auto it = std::ranges::lower_bound(kUnseen, point, {}, &Range::last);
    return it != kUnseen.end() && it->first <= point;
}

// Of text that is UTF-8: how long its first character is, and which.
std::pair<std::size_t, std::uint32_t> first_of(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(text[i]) & 0xffU; };
    const std::uint32_t lead = byte(0);
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    std::uint32_t point = size == 1 ? lead : lead & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) point = point << 6U | (byte(i) & 0x3fU);
    return {size, point};
}

// Columns that a text takes, East Asian wide characters as two.
std::size_t columns(std::string_view text) {
    std::size_t count = 0;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte & 0xc0U) != 0x80) count += byte >= 0xe1 ? 2 : 1;
    }
    return count;
}

}  // namespace

bool inside_character(std::string_view text, std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80;
}

namespace {

// The beginning of a text that takes at most so many columns.
std::string_view beginning(std::string_view text, std::size_t most) {
    std::size_t cut = text.size();
    while (cut > 0 && (inside_character(text, cut) || columns(text.substr(0, cut)) > most)) --cut;
    return text.substr(0, cut);
}

// The end of it.
std::string_view ending(std::string_view text, std::size_t most) {
    std::size_t cut = 0;
    while (cut < text.size() && (inside_character(text, cut) || columns(text.substr(cut)) > most))
        ++cut;
    return text.substr(cut);
}

}  // namespace

std::string visible(std::string_view foreign) {
    const std::string sound = printable(foreign, "\t");
    std::string out;
    for (std::string_view text = sound; !text.empty();) {
        const auto [size, point] = first_of(text);
        if (is_unseen(point))
            out += fmt::format("\\u{{{:x}}}", point);
        else
            out += text.substr(0, size);
        text.remove_prefix(size);
    }
    return out;
}

std::string shortened(std::string_view foreign, std::size_t most) {
    std::string text = visible(foreign);
    if (columns(text) <= most) return text;
    if (most < 3) return std::string(beginning(text, most));
    const std::size_t head = most / 3;
    return fmt::format("{}…{}", beginning(text, head), ending(text, most - head - 1));
}

Markup& Markup::tag(Literal markup) {
    out_ += markup.text();
    return *this;
}

Markup& Markup::text(std::string_view foreign) {
    for (const char c : visible(foreign)) {
        switch (c) {
            case '&':
                out_ += "&amp;";
                break;
            case '<':
                out_ += "&lt;";
                break;
            case '>':
                out_ += "&gt;";
                break;
            case '"':
                out_ += "&quot;";
                break;
            case '\'':
                out_ += "&#39;";
                break;
            default:
                out_ += c;
        }
    }
    return *this;
}

Markup& Markup::number(double value) {
    auto text = fmt::format("{:.2f}", value);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    out_ += text == "-0" ? "0" : text;
    return *this;
}

}  // namespace pmos::cli
