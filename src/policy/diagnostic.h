// policy: what is wrong with a profile, and where.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pmos::policy {

enum class Severity : std::uint8_t { error, warning, note };

struct Location {
    std::string file;
    std::uint32_t line = 0, column = 0;  // from 1; 0: the file as a whole; columns count bytes
    std::string pointer;                 // JSON pointer, RFC 6901
};

struct Diagnostic {
    Severity severity = Severity::error;
    std::string rule;  // stable id: "unknown-key", "overlapping-id-range", ...
    Location at;
    std::string message;  // lower case, no full stop
    std::string fix;      // "" or what to do
    std::vector<Location> related;
};

bool has_errors(const std::vector<Diagnostic>& diagnostics);
// "file:line:column: error: message [rule]" and an indented hint line where there is one.
std::string to_text(const Diagnostic& diagnostic);

}  // namespace pmos::policy
