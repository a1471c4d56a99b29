// base: small functions on text. No locale, no I/O.
#pragma once

#include <string>
#include <string_view>

namespace pmos {

// A JSON string (RFC 8259) with its quotes. Bytes that are not UTF-8 are passed through.
std::string json_quote(std::string_view text);

// Control characters made visible, so that foreign text cannot move a terminal's cursor.
std::string printable(std::string_view text);

}  // namespace pmos
