// refusals: where this kernel keeps what the programs read, by its own description (BTF). Asked
// once; nothing of it is kept open.
#include "runtime/refusals/types.h"

namespace pmos::refusals {

// As Linux 6.1 has them; others are left out.
constexpr std::array<HookRow, kHooks> kHookRows{
    HookRow{Hook::capability, "cap_capable"},
    {Hook::file_open, "hook_file_open", Object::file, 0},
    {Hook::truncate, "hook_file_truncate", Object::file, 0},
    {Hook::link, "hook_path_link", Object::dentry, 2},
    {Hook::rename, "hook_path_rename", Object::dentry, 1},
    {Hook::mkdir, "hook_path_mkdir", Object::dentry, 1},
    {Hook::mknod, "hook_path_mknod", Object::dentry, 1},
    {Hook::symlink, "hook_path_symlink", Object::dentry, 1},
    {Hook::unlink, "hook_path_unlink", Object::dentry, 1},
    {Hook::rmdir, "hook_path_rmdir", Object::dentry, 1},
    {Hook::ptrace, "hook_ptrace_access_check"},
    {Hook::ptrace_me, "hook_ptrace_traceme"},
    {Hook::mount, "hook_sb_mount"},
    {Hook::move_mount, "hook_move_mount"},
    {Hook::umount, "hook_sb_umount"},
    {Hook::remount, "hook_sb_remount"},
    {Hook::pivot_root, "hook_sb_pivotroot"}};

Result<Types> Types::read() {
    PMOS_ASSIGN(const auto kernel, bpf::KernelTypes::read());
    Types types;
    for (std::size_t i = 0; i < kHooks; ++i)
        types.functions[i] = kernel.function(kHookRows[i].function);
    PMOS_ASSIGN(types.cred_user_ns, kernel.offset("cred", "user_ns"));
    PMOS_ASSIGN(types.file_flags, kernel.offset("file", "f_flags"));
    PMOS_ASSIGN(const auto path, kernel.offset("file", "f_path"));
    PMOS_ASSIGN(const auto dentry, kernel.offset("path", "dentry"));
    types.file_dentry = path + dentry;
    PMOS_ASSIGN(const auto qstr, kernel.offset("dentry", "d_name"));
    PMOS_ASSIGN(const auto name, kernel.offset("qstr", "name"));
    types.dentry_name = qstr + name;
    return types;
}

}  // namespace pmos::refusals
