// oci: a compiled filter as the bytes of a file, and what they are kept under. Pure: no file.
//
// SHA-256 is libsodium's: libgcrypt's is faster by the byte, but finds out what the processor can
// first, and that takes longer than the few KiB here.
#include "runtime/oci/filter_file.h"

#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <sodium.h>
#include <sys/utsname.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace pmos::oci {
namespace {

using policy::BpfInstruction;
using policy::BpfProgram;
using policy::oci::Seccomp;

// Counts up with each change of what compile_filter() makes of the same policy.
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kMaxInstructions = 4096;  // BPF_MAXINSNS
constexpr std::uint32_t kDataSize = 64;         // struct seccomp_data

struct Header {
    char magic[8] = {'P', 'M', 'O', 'S', 'F', 'L', 'T', '1'};
    std::uint32_t version = kVersion, count = 0;
    std::uint32_t flags = 0, reserved = 0;  // 0
    friend bool operator==(const Header&, const Header&) = default;
};
static_assert(sizeof(Header) == 24 && sizeof(BpfInstruction) == 8);

using Sum = std::array<unsigned char, crypto_hash_sha256_BYTES>;
static_assert(sizeof(Header) + kMaxInstructions * sizeof(BpfInstruction) + sizeof(Sum) <=
              kMaxFilterFile);

template <class... Texts>
Sum sum_of(const Texts&... texts) {
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    const auto add = [&](std::string_view text) {
        crypto_hash_sha256_update(&state, reinterpret_cast<const unsigned char*>(text.data()),
                                  text.size());
    };
    (add(texts), ...);
    Sum sum{};
    crypto_hash_sha256_final(&state, sum.data());
    return sum;
}

// Numbers by seven bits, and each text after its size: no two policies give the same bytes.
class Bytes {
  public:
    Bytes& number(std::uint64_t value) {
        for (; value > 0x7f; value >>= 7) out_ += static_cast<char>(0x80 | (value & 0x7f));
        out_ += static_cast<char>(value);
        return *this;
    }
    Bytes& text(std::string_view value) {
        number(value.size());
        out_ += value;
        return *this;
    }
    Bytes& errno_ret(const std::optional<std::uint32_t>& value) {
        return number(value ? std::uint64_t{*value} + 1 : 0);
    }
    const std::string& str() const { return out_; }

  private:
    std::string out_;
};

void write_policy(Bytes& out, const Seccomp& policy) {
    out.number(static_cast<std::uint64_t>(policy.default_action));
    out.errno_ret(policy.default_errno_ret);
    out.number(policy.architectures.size());
    for (const auto& name : policy.architectures) out.text(name);
    out.number(policy.rules.size());
    for (const auto& rule : policy.rules) {
        out.number(rule.names.size());
        for (const auto& name : rule.names) out.text(name);
        out.number(static_cast<std::uint64_t>(rule.action)).errno_ret(rule.errno_ret);
        out.number(rule.args.size());
        for (const auto& arg : rule.args)
            out.number(arg.index).number(arg.value).number(arg.value_two).text(arg.op);
    }
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

std::string filter_key(const Seccomp& policy, std::string_view raw) {
    Bytes head;
    head.text("pmos filter").number(kVersion).number(seccomp_arch_native());
    if (const scmp_version* library = seccomp_version())
        head.number(library->major).number(library->minor).number(library->micro);
    utsname host{};
    ::uname(&host);
    head.text(host.release).text(host.version).text(host.machine).number(raw.empty() ? 0 : 1);
    if (raw.empty()) write_policy(head, policy);
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string hex;
    for (const unsigned char byte : sum_of(head.str(), raw)) {
        hex += kDigits[byte >> 4];
        hex += kDigits[byte & 0xf];
    }
    return hex;
}

std::string encode_filter(std::string_view key, const BpfProgram& program) {
    Header header;
    header.count = static_cast<std::uint32_t>(program.size());
    std::string bytes(view_of(&header, sizeof header));
    bytes += view_of(program.data(), program.size() * sizeof(BpfInstruction));
    const Sum sum = sum_of(key, bytes);
    bytes += view_of(sum.data(), sum.size());
    return bytes;
}

std::optional<BpfProgram> decode_filter(std::string_view key, std::string_view bytes) {
    Header header;
    if (bytes.size() < sizeof header + sizeof(Sum)) return std::nullopt;
    std::memcpy(&header, bytes.data(), sizeof header);
    Header expected;
    expected.count = header.count;
    if (header != expected || header.count == 0 || header.count > kMaxInstructions)
        return std::nullopt;
    const std::size_t size = header.count * sizeof(BpfInstruction);
    if (bytes.size() != sizeof header + size + sizeof(Sum)) return std::nullopt;
    const Sum sum = sum_of(key, bytes.substr(0, sizeof header + size));
    if (bytes.substr(sizeof header + size) != view_of(sum.data(), sum.size())) return std::nullopt;
    BpfProgram program(header.count);
    std::memcpy(program.data(), bytes.data() + sizeof header, size);
    if (!is_sound(program)) return std::nullopt;
    return program;
}

bool is_sound(const BpfProgram& program) {
    if (program.empty() || program.size() > kMaxInstructions) return false;
    for (std::size_t pc = 0; pc < program.size(); ++pc)
        if (!is_sound(program[pc], program.size() - pc - 1)) return false;
    return program.back().code == (BPF_RET | BPF_K);
}

}  // namespace pmos::oci
