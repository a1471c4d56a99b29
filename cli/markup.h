// cli: HTML and SVG as text. What is not a literal of our own gets in only escaped. Draws nothing.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace pmos::cli {

// A text that no line on a screen can hide or turn round: control characters, what is not UTF-8,
// marks of direction and characters without a width stand as "\x1b" or "\u{202e}".
std::string visible(std::string_view text);
// The same in at most so many columns: what is in the middle of a path says least.
std::string shortened(std::string_view text, std::size_t columns);

// A cut there would leave half a character of UTF-8.
bool inside_character(std::string_view text, std::size_t at);

// Text of the source and nothing else: the compiler refuses what is made while it runs.
class Literal {
  public:
    template <std::size_t N>
    consteval Literal(const char (&text)[N]) : text_(text, N - 1) {}
    std::string_view text() const { return text_; }

  private:
    std::string_view text_;
};

class Markup {
  public:
    Markup& tag(Literal markup);
    // Foreign text, fit for what stands between tags and for an attribute in quotes.
    Markup& text(std::string_view foreign);
    Markup& number(std::integral auto value) {
        out_ += std::to_string(value);
        return *this;
    }
    Markup& number(double value);  // at most two places after the point, and no zero at the end
    std::string take() { return std::move(out_); }

  private:
    std::string out_;
};

}  // namespace pmos::cli
