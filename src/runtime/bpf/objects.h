// bpf: maps, programs and links as descriptors. Knows no program's purpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/bpf/call.h"

namespace pmos::bpf {

Result<UniqueFd> make_map(bpf_map_type type, std::size_t key, std::size_t value,
                          std::uint32_t entries);

// A program that runs at a function of the kernel.
struct Place {
    bpf_prog_type type{};
    bpf_attach_type attach{};
    std::uint32_t function = 0;  // its id in the kernel's BTF
    const char* name = "";       // for errors
};
// name: at most 15 characters. The verifier's words are in the error.
Result<UniqueFd> load_program(const Program& program, const Place& place, const char* name);
// The link: what is attached goes with its last descriptor.
Result<UniqueFd> attach_program(BorrowedFd program, const char* place);

// What programs know a cgroup by; of a directory of cgroup2.
Result<std::uint64_t> cgroup_id(BorrowedFd directory);

}  // namespace pmos::bpf
