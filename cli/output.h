// cli: what a person sees: tables, colours, durations, errors. Never talks to pmosd.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/text.h"

namespace pmos::cli {

enum class Style : std::uint8_t { plain, good, warn, bad, dim, bold };

struct Cell {
    std::string text;
    Style style = Style::plain;
};

struct Table {
    std::vector<std::string> header;
    std::vector<std::vector<Cell>> rows;
};

// A terminal, and neither NO_COLOR nor TERM=dumb forbids it.
bool wants_colour(int fd);
std::string paint(std::string_view text, Style style, bool colour);
// Columns two spaces apart, the last one as long as it is; no space at the end of a line.
std::string render(const Table& table, bool colour);

// printable() for whole output: line feeds and tabs stay.
std::string printable_lines(std::string_view text);
// "42s", "3m 07s", "2h 05m", "3d 04h"
std::string duration(std::uint64_t seconds);

// To standard output, unbuffered errors apart: main checks the stream once at the end.
void put(std::string_view text);
void put_line(std::string_view text);
// "pmosctl: what: why", then "hint: ..." on a line of its own, on standard error.
std::string error_text(const Error& error, bool colour);
void print_error(const Error& error);

}  // namespace pmos::cli
