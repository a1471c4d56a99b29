// refusals: where this kernel keeps what the programs read, by its own description (BTF). Asked
// once; nothing of it is kept open.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "runtime/bpf/kernel_types.h"

namespace pmos::refusals {

// The functions that are watched. Landlock's are those that refuse by a rule of its own.
enum class Hook : std::uint8_t {
    capability,
    file_open,
    truncate,
    link,
    rename,
    mkdir,
    mknod,
    symlink,
    unlink,
    rmdir,
    ptrace,
    ptrace_me,
    mount,
    move_mount,
    umount,
    remount,
    pivot_root,
};
inline constexpr std::size_t kHooks = 17;

// What a hook is about: the argument that leads to a name.
enum class Object : std::uint8_t { none, file, dentry };
struct HookRow {
    Hook hook{};
    const char* function;
    Object object = Object::none;
    unsigned argument = 0;
};
extern const std::array<HookRow, kHooks> kHookRows;

struct Types {
    std::array<bpf::KernelTypes::Function, kHooks> functions{};
    // Offsets in bytes.
    std::uint32_t cred_user_ns = 0, file_flags = 0, file_dentry = 0, dentry_name = 0;

    // unsupported where the kernel does not describe itself, or not these.
    static Result<Types> read();
    bool has(Hook hook) const { return functions[static_cast<std::size_t>(hook)].id != 0; }
};

}  // namespace pmos::refusals
