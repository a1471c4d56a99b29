// base: small functions on text. No locale, no I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pmos {

// A JSON string (RFC 8259) with its quotes. Bytes that are not UTF-8 are passed through.
std::string json_quote(std::string_view text);

// Control characters (C0, C1, DEL) and what is not UTF-8 made visible, so that foreign text cannot
// move a terminal's cursor and can be sent over D-Bus. The characters in keep stay.
std::string printable(std::string_view text, std::string_view keep = "");

// "1 mode", "2 modes": of a noun that takes an s.
std::string counted(std::uint64_t number, std::string_view noun);

}  // namespace pmos
