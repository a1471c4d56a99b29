// notify: what is left of a text that a program of a mode wrote: letters, and nothing that means
// anything to who shows them. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pmos::notify {

enum class Lines : bool { one, several };

// At most so many bytes, whole characters. Markup of the specification (b, i, u, a, img) goes, what
// it encloses stays; so do characters that steer a terminal or turn the direction of writing.
std::string plain_text(std::string_view text, std::size_t most, Lines lines);

// Markup gone, and the five named entities what they stand for.
std::string without_markup(std::string_view text);

}  // namespace pmos::notify
