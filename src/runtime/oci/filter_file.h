// oci: a compiled filter as the bytes of a file, and what they are kept under. Pure: no file.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "policy/oci_config.h"
#include "policy/syscall_filter.h"

namespace pmos::oci {

inline constexpr std::size_t kMaxFilterFile = 33
                                              << 10;  // 4096 instructions and what is around them

// SHA-256, in hex, of all that decides what the compiler makes of a policy: the policy, the
// compiler and its release, the machine and its kernel. raw: bytes that alone decide the policy, or
// "": then what a filter is made of is written out, which leaves out the flags and the listener,
// that change with each container and are no part of a program.
std::string filter_key(const policy::oci::Seccomp& policy, std::string_view raw);

// The sum is over the key as well: a file is good under its own name alone.
std::string encode_filter(std::string_view key, const policy::BpfProgram& program);
// Empty unless it is what encode_filter() made for this key, to the last bit.
std::optional<policy::BpfProgram> decode_filter(std::string_view key, std::string_view bytes);

// Whether it is nothing but what our compiler writes: loads of struct seccomp_data, masks, jumps
// forward and inside, returns, of which one is the last.
bool is_sound(const policy::BpfProgram& program);

}  // namespace pmos::oci
