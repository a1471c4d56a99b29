// base: two texts as a unified diff, as patch(1) reads it. Reads no file.
#include "base/unified_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace pmos {
namespace {

constexpr std::size_t kContext = 3;
constexpr std::size_t kMaxCells = 4'000'000;  // beyond it the differing middle is one change

using Lines = std::vector<std::string_view>;  // each with its line feed, where it has one

Lines lines_of(std::string_view text) {
    Lines lines;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size() - 1) + 1;
        lines.push_back(text.substr(0, end));
        text.remove_prefix(end);
    }
    return lines;
}

struct Step {
    char kind;  // ' ', '-', '+'
    std::string_view line;
};

// The longest common subsequence, by its table of lengths.
void middle(const Lines& a, const Lines& b, std::size_t skip, std::size_t a_end, std::size_t b_end,
            std::vector<Step>& out) {
    const std::size_t rows = a_end - skip, columns = b_end - skip;
    const bool whole = rows * columns > kMaxCells;
    std::vector<std::uint32_t> length(whole ? 0 : (rows + 1) * (columns + 1));
    const auto at = [&](std::size_t i, std::size_t j) -> std::uint32_t& {
        return length[i * (columns + 1) + j];
    };
    for (std::size_t i = rows; !whole && i-- > 0;)
        for (std::size_t j = columns; j-- > 0;)
            at(i, j) = a[skip + i] == b[skip + j] ? at(i + 1, j + 1) + 1
                                                  : std::max(at(i + 1, j), at(i, j + 1));
    std::size_t i = 0, j = 0;
    while (i < rows || j < columns) {
        if (!whole && i < rows && j < columns && a[skip + i] == b[skip + j]) {
            out.push_back({' ', a[skip + i]});
            ++i, ++j;
        } else if (j == columns || (i < rows && (whole || at(i + 1, j) >= at(i, j + 1)))) {
            out.push_back({'-', a[skip + i++]});
        } else {
            out.push_back({'+', b[skip + j++]});
        }
    }
}

std::vector<Step> steps_between(const Lines& a, const Lines& b) {
    std::size_t skip = 0, a_end = a.size(), b_end = b.size();
    while (skip < a_end && skip < b_end && a[skip] == b[skip]) ++skip;
    while (a_end > skip && b_end > skip && a[a_end - 1] == b[b_end - 1]) --a_end, --b_end;
    std::vector<Step> steps;
    for (std::size_t i = 0; i < skip; ++i) steps.push_back({' ', a[i]});
    middle(a, b, skip, a_end, b_end, steps);
    for (std::size_t i = a_end; i < a.size(); ++i) steps.push_back({' ', a[i]});
    return steps;
}

// The lines that `count` begin with; an empty side is said by the line before it.
std::string range(std::size_t before, std::size_t count) {
    return count == 1 ? fmt::format("{}", before + 1)
                      : fmt::format("{},{}", count == 0 ? before : before + 1, count);
}

}  // namespace

std::string unified_diff(std::string_view name, std::string_view before, std::string_view after) {
    if (before == after) return "";
    const auto steps = steps_between(lines_of(before), lines_of(after));
    std::string out = fmt::format("--- a/{}\n+++ b/{}\n", name, name);
    const auto changed = [&](std::size_t i) { return steps[i].kind != ' '; };
    std::size_t old_line = 0, new_line = 0;
    for (std::size_t i = 0; i < steps.size();) {
        // To the next change, less its context; up to where the changes leave off for longer.
        std::size_t first = i;
        while (first < steps.size() && !changed(first)) ++first;
        if (first == steps.size()) break;
        std::size_t end = first;
        for (std::size_t next = first; next < steps.size() && next <= end + 2 * kContext + 1;
             ++next)
            if (changed(next)) end = next;
        const std::size_t begin = std::max(i, first - std::min(first, kContext));
        end = std::min(end + kContext + 1, steps.size());
        old_line += begin - i;
        new_line += begin - i;
        std::size_t removed = 0, added = 0;
        std::string body;
        for (i = begin; i < end; ++i) {
            removed += steps[i].kind != '+';
            added += steps[i].kind != '-';
            body += steps[i].kind;
            body += steps[i].line;
            if (!steps[i].line.ends_with('\n')) body += "\n\\ No newline at end of file\n";
        }
        out += fmt::format("@@ -{} +{} @@\n", range(old_line, removed), range(new_line, added));
        out += body;
        old_line += removed;
        new_line += added;
    }
    return out;
}

}  // namespace pmos
