// policy: diagnostics as text. Reads no file: the caller has the bytes.
#include "policy/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace pmos::policy {
namespace {

constexpr std::size_t kMaxShown = 80;
constexpr std::size_t kExcerptWidth = 100;

char printable(char c) {
    if (c == '\t') return ' ';
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f ? '?' : c;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            const std::size_t same = diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U);
            row[j] = std::min({above + 1, row[j - 1] + 1, same});
            diagonal = above;
        }
    }
    return row.back();
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    return out;
}

}  // namespace

Diagnostic finding(Rule rule, Location at, std::string message, std::string fix,
                   std::vector<Location> related) {
    return {rule_info(rule).severity, rule,           std::move(at),
            std::move(message),       std::move(fix), std::move(related)};
}

bool has_errors(const std::vector<Diagnostic>& diagnostics) {
    return std::ranges::any_of(diagnostics,
                               [](const auto& d) { return d.severity == Severity::error; });
}

std::string to_text(const Location& at) {
    if (at.line == 0) return at.file;
    return fmt::format("{}:{}:{}", at.file, at.line, at.column);
}

std::string to_text(const Diagnostic& d) {
    std::string text = fmt::format("{}: {}: {} [{}]", to_text(d.at), severity_name(d.severity),
                                   d.message, rule_id(d.rule));
    for (const auto& place : d.related) text += fmt::format("\n    see {}", to_text(place));
    if (!d.fix.empty()) text += fmt::format("\n    hint: {}", d.fix);
    return text;
}

std::string source_excerpt(std::string_view bytes, const Location& at) {
    if (at.line == 0 || at.column == 0) return "";
    std::size_t begin = 0;
    for (std::uint32_t line = 1; line < at.line; ++line) {
        begin = bytes.find('\n', begin);
        if (begin == std::string_view::npos) return "";
        ++begin;
    }
    std::string_view line = bytes.substr(begin, bytes.find('\n', begin) - begin);
    std::size_t caret = std::min<std::size_t>(at.column - 1, line.size());
    if (line.size() > kExcerptWidth && caret > kExcerptWidth / 2) {
        const std::size_t cut = caret - kExcerptWidth / 2;
        line.remove_prefix(cut);
        caret -= cut;
    }
    std::string text(line.substr(0, kExcerptWidth));
    std::ranges::transform(text, text.begin(), printable);
    return fmt::format("{:>6} | {}\n       | {:>{}}", at.line, text, '^', caret + 1);
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
    // A word of an attacker's length must not cost quadratic time.
    if (word.empty() || word.size() > 64) return "";
    const std::string small = lower(word);
    const std::size_t limit = std::max<std::size_t>(1, word.size() / 3);
    std::size_t best = limit + 1;
    std::string_view found;
    for (const auto candidate : candidates) {
        const std::size_t distance = edit_distance(small, lower(candidate));
        if (distance < best) {
            best = distance;
            found = candidate;
        }
    }
    return found;
}

std::string shown(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, kMaxShown)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f)
            out += fmt::format("\\x{:02x}", byte);
        else
            out += c;
    }
    if (text.size() > kMaxShown) out += "...";
    return out;
}

}  // namespace pmos::policy
