// cli: what a person sees: tables, colours, durations, errors. Never talks to pmosd.
#include "cli/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace pmos::cli {
namespace {

std::string_view escape_of(Style style) {
    switch (style) {
        case Style::good:
            return "\x1b[32m";
        case Style::warn:
            return "\x1b[33m";
        case Style::bad:
            return "\x1b[31m";
        case Style::dim:
            return "\x1b[2m";
        case Style::bold:
            return "\x1b[1m";
        case Style::plain:
            break;
    }
    return "";
}

// Code points, not bytes: good enough for names and messages, which have no wide characters.
std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::vector<std::size_t> column_widths(const Table& table) {
    std::vector<std::size_t> widths;
    for (const auto& title : table.header) widths.push_back(width_of(title));
    for (const auto& row : table.rows)
        for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i)
            widths[i] = std::max(widths[i], width_of(row[i].text));
    return widths;
}

void append_row(std::string& out, const std::vector<Cell>& row,
                const std::vector<std::size_t>& widths, bool colour) {
    std::size_t pending = 0;
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
        const auto& cell = row[i];
        if (!cell.text.empty()) {
            out.append(pending, ' ');
            pending = 0;
            out += paint(cell.text, cell.style, colour);
        }
        pending += widths[i] - width_of(cell.text) + 2;
    }
    out += '\n';
}

}  // namespace

bool wants_colour(int fd) {
    if (::isatty(fd) == 0) return false;
    const char* no_color = std::getenv("NO_COLOR");
    if (no_color != nullptr && *no_color != '\0') return false;
    const char* term = std::getenv("TERM");
    return term != nullptr && std::string_view(term) != "dumb";
}

std::string paint(std::string_view text, Style style, bool colour) {
    if (!colour || style == Style::plain) return std::string(text);
    return fmt::format("{}{}\x1b[0m", escape_of(style), text);
}

std::string render(const Table& table, bool colour) {
    const auto widths = column_widths(table);
    std::vector<Cell> header;
    for (const auto& title : table.header) header.push_back({title, Style::bold});
    std::string out;
    append_row(out, header, widths, colour);
    for (const auto& row : table.rows) append_row(out, row, widths, colour);
    return out;
}

std::string printable_lines(std::string_view text) { return printable(text, "\n\t"); }

std::string duration(std::uint64_t seconds) {
    const std::uint64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
    if (days > 0) return fmt::format("{}d {:02}h", days, hours % 24);
    if (hours > 0) return fmt::format("{}h {:02}m", hours, minutes % 60);
    if (minutes > 0) return fmt::format("{}m {:02}s", minutes, seconds % 60);
    return fmt::format("{}s", seconds);
}

void put(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void put_line(std::string_view text) {
    put(text);
    put("\n");
}

std::string error_text(const Error& error, bool colour) {
    const std::string message = printable(error.message());
    std::string out = fmt::format("{} {}\n", paint("pmosctl:", Style::bad, colour), message);
    if (!error.fix.empty())
        out += fmt::format("{} {}\n", paint("hint:", Style::dim, colour), printable(error.fix));
    for (const auto& undo : error.undo_failures)
        out += fmt::format("pmosctl: while undoing this: {}\n", printable(undo.message()));
    return out;
}

void print_error(const Error& error) {
    const std::string text = error_text(error, wants_colour(STDERR_FILENO));
    // The order between the two streams is what a person reads.
    std::fflush(stdout);
    std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace pmos::cli
