// policy: what is wrong with a profile, and where.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/rules.h"

namespace pmos::policy {

// Of one file or mode: who has made this many faults does not need the rest before mending them,
// and input made of nothing but faults must not cost more than that.
inline constexpr std::size_t kMaxFindings = 100;

struct Location {
    std::string file;
    std::uint32_t line = 0, column = 0;  // from 1; 0: the file as a whole; columns count bytes
    std::string pointer;                 // JSON pointer, RFC 6901
};

struct Diagnostic {
    Severity severity = Severity::error;
    Rule rule{};
    Location at;
    std::string message;  // lower case, no full stop
    std::string fix;      // "" or what to do
    std::vector<Location> related;
};

// A finding of the severity that its rule has.
Diagnostic finding(Rule rule, Location at, std::string message, std::string fix = "",
                   std::vector<Location> related = {});
bool has_errors(const std::vector<Diagnostic>& diagnostics);
// "file:line:column: error: message [rule]" and an indented hint line where there is one.
std::string to_text(const Diagnostic& diagnostic);
// "file:line:column", or the file alone where there is no line.
std::string to_text(const Location& at);
// The line of `bytes` that `at` names and, below it, a caret; "" where there is no such line.
// Tabs become blanks, control characters '?', and a long line is cut around the caret.
std::string source_excerpt(std::string_view bytes, const Location& at);
// The candidate nearest to a misspelt word, or "" when none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);
// A text from a profile as a message may show it: control characters escaped, length bounded.
std::string shown(std::string_view text);

}  // namespace pmos::policy
