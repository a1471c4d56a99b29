// policy: the field's names and what the kernel calls them: capabilities, limits, mount options,
// errno, sizes. Knows no profile.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace pmos::policy {

struct NamedValue {
    std::string_view name;
    std::uint64_t value = 0;
};

std::span<const NamedValue> capability_names();    // "CAP_NET_RAW" -> its number
std::span<const NamedValue> rlimit_names();        // "nofile" -> RLIMIT_NOFILE
std::span<const NamedValue> namespace_names();     // "mount" -> CLONE_NEWNS
std::span<const NamedValue> errno_names();         // "EPERM" -> 1
std::span<const NamedValue> mount_option_names();  // "nosuid" -> MOUNT_ATTR_NOSUID

std::optional<std::uint64_t> value_of(std::span<const NamedValue> table, std::string_view name);
std::string_view name_of(std::span<const NamedValue> table, std::uint64_t value);
std::string_view nearest_name(std::string_view word, std::span<const NamedValue> table);

// "a|b|c" to {a, b, c}.
std::vector<std::string_view> split_list(std::string_view list);
// The word of an enumeration whose words are listed in its order; "unknown" beyond them.
std::string_view word_at(std::string_view list, std::size_t index);
template <class Enum>
requires std::is_enum_v<Enum> std::string_view word_at(std::string_view list, Enum value) {
    return word_at(list, static_cast<std::size_t>(value));
}
bool has_word(std::span<const std::string> words, std::string_view word);

// "64MiB", "2GiB", "4096": bytes. KiB, MiB, GiB, TiB only: no doubt about what a K is.
std::optional<std::uint64_t> parse_size(std::string_view text);
// "500ms", "5s", "10min", "2h": milliseconds.
std::optional<std::uint64_t> parse_duration(std::string_view text);
// "022": permission bits.
std::optional<std::uint32_t> parse_octal(std::string_view text);

bool is_mode_name(std::string_view text);      // ^[a-z][a-z0-9-]{0,31}$
bool is_absolute_path(std::string_view text);  // normalised: no empty, "." or ".." segment
bool is_relative_path(std::string_view text);  // normalised and stays below where it starts

}  // namespace pmos::policy
