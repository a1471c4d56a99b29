// oci: a compiled filter as the bytes of a file, and what they are kept under. Pure: no file.
#include "runtime/oci/filter_file.h"

#include <blake2.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <sys/utsname.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace pmos::oci {
namespace {

using policy::BpfInstruction;
using policy::BpfProgram;

// Counts up with each change of what compile_filter() makes of the same policy.
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kMaxInstructions = 4096;  // BPF_MAXINSNS
constexpr std::uint32_t kDataSize = 64;         // struct seccomp_data

struct Header {
    char magic[8] = {'P', 'M', 'O', 'S', 'F', 'L', 'T', '2'};
    std::uint32_t version = kVersion, count = 0;
    std::uint32_t flags = 0, reserved = 0;
    friend bool operator==(const Header&, const Header&) = default;
};
static_assert(sizeof(Header) == 24 && sizeof(BpfInstruction) == 8);

using Sum = std::array<unsigned char, 32>;  // BLAKE2b (RFC 7693)
static_assert(sizeof(Header) + kMaxInstructions * sizeof(BpfInstruction) + sizeof(Sum) <=
              kMaxFilterFile);

template <class... Texts>
Sum sum_of(const Texts&... texts) {
    blake2b_state state;
    blake2b_init(&state, sizeof(Sum));
    const auto add = [&](std::string_view text) {
        blake2b_update(&state, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    };
    (add(texts), ...);
    Sum sum{};
    blake2b_final(&state, sum.data(), sum.size());
    return sum;
}

std::string_view view_of(const void* data, std::size_t size) {
    return {static_cast<const char*>(data), size};
}

bool is_sound(const BpfInstruction& i, std::size_t after) {
    switch (i.code) {
        case BPF_LD | BPF_W | BPF_ABS:
            return i.k % 4 == 0 && i.k < kDataSize;
        case BPF_ALU | BPF_AND | BPF_K:
        case BPF_RET | BPF_K:
            return true;
        case BPF_JMP | BPF_JA:
            return i.k < after;
        case BPF_JMP | BPF_JEQ | BPF_K:
        case BPF_JMP | BPF_JGT | BPF_K:
        case BPF_JMP | BPF_JGE | BPF_K:
        case BPF_JMP | BPF_JSET | BPF_K:
            return i.jt < after && i.jf < after;
        default:
            return false;
    }
}

}  // namespace

std::string filter_key(std::string_view text) {
    utsname host{};
    ::uname(&host);
    // No part but the last, which is the policy, has a line's end in it.
    std::string head = "pmos filter";
    const auto add = [&head](std::string_view part) { head.append("\n").append(part); };
    add(std::to_string(kVersion));
    add(std::to_string(sizeof(void*)));  // of two programs on one machine
    // The library is linked statically: it is asked nothing, and not loaded, where a filter is
    // kept.
    for (const unsigned part : {SCMP_VER_MAJOR, SCMP_VER_MINOR, SCMP_VER_MICRO})
        add(std::to_string(part));
    for (const char* part : {host.release, host.version, host.machine}) add(part);
    head += '\n';
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string hex;
    for (const unsigned char byte : sum_of(head, text)) {
        hex += kDigits[byte >> 4];
        hex += kDigits[byte & 0xf];
    }
    return hex;
}

std::string encode_filter(std::string_view key, const Filter& filter) {
    Header header;
    header.count = static_cast<std::uint32_t>(filter.program.size());
    header.flags = filter.flags;
    std::string bytes(view_of(&header, sizeof header));
    bytes += view_of(filter.program.data(), filter.program.size() * sizeof(BpfInstruction));
    const Sum sum = sum_of(key, bytes);
    bytes += view_of(sum.data(), sum.size());
    return bytes;
}

std::optional<Filter> decode_filter(std::string_view key, std::string_view bytes) {
    Header header;
    if (bytes.size() < sizeof header + sizeof(Sum)) return std::nullopt;
    std::memcpy(&header, bytes.data(), sizeof header);
    Header expected;
    expected.count = header.count;
    expected.flags = header.flags;
    if (header != expected || header.count == 0 || header.count > kMaxInstructions)
        return std::nullopt;
    const std::size_t size = header.count * sizeof(BpfInstruction);
    if (bytes.size() != sizeof header + size + sizeof(Sum)) return std::nullopt;
    const Sum sum = sum_of(key, bytes.substr(0, sizeof header + size));
    if (bytes.substr(sizeof header + size) != view_of(sum.data(), sum.size())) return std::nullopt;
    Filter filter{BpfProgram(header.count), header.flags};
    std::memcpy(filter.program.data(), bytes.data() + sizeof header, size);
    if (!is_sound(filter.program)) return std::nullopt;
    return filter;
}

bool is_sound(const BpfProgram& program) {
    if (program.empty() || program.size() > kMaxInstructions) return false;
    for (std::size_t pc = 0; pc < program.size(); ++pc)
        if (!is_sound(program[pc], program.size() - pc - 1)) return false;
    return program.back().code == (BPF_RET | BPF_K);
}

}  // namespace pmos::oci
