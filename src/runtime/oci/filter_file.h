// oci: a compiled filter as the bytes of a file, and what they are kept under. Pure: no file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "policy/syscall_filter.h"

namespace pmos::oci {

inline constexpr std::size_t kMaxFilterFile = 33
                                              << 10;  // 4096 instructions and what is around them

// As seccomp(2) takes it.
struct Filter {
    policy::BpfProgram program;
    std::uint32_t flags = 0;
};

// BLAKE2b, in hex, of all that decides what the compiler makes of a policy: the policy as it is
// written, the compiler and its release, the machine and its kernel.
std::string filter_key(std::string_view text);

// The sum is over the key as well: a file is good under its own name alone.
std::string encode_filter(std::string_view key, const Filter& filter);
// Empty unless it is what encode_filter() made for this key, to the last bit.
std::optional<Filter> decode_filter(std::string_view key, std::string_view bytes);

// Whether it is nothing but what our compiler writes: loads of struct seccomp_data, masks, jumps
// forward and inside, returns, of which one is the last.
bool is_sound(const policy::BpfProgram& program);

}  // namespace pmos::oci
