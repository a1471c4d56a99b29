// daemon: small files under /run/pmos and the state directory, of "key=value" lines as systemd
// keeps its own. Never leaves half of one.
#pragma once

#include <charconv>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pmos::daemon {

inline constexpr std::size_t kRunFileBound = 64 << 10;

// Complete or not there at all: a reader never sees half a file.
Result<> replace_file(const std::string& path, std::string_view text);
// One that is not there is fine.
Result<> remove_file(const std::string& path);
// "" when it cannot be read.
std::string read_run_file(const std::string& path, std::size_t limit = kRunFileBound);

std::string_view value_of(std::string_view text, std::string_view key);

template <class T>
bool parse_number(std::string_view text, T& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

}  // namespace pmos::daemon
