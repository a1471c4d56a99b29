// refusals: where this kernel keeps what the programs read, by its own description (BTF). Asked
// once; nothing of it is kept open.
#include "runtime/refusals/types.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <memory>
#include <optional>
#include <string>

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

namespace {

struct Free {
    void operator()(btf* b) const noexcept { btf__free(b); }
};

Types::Function function_in(const btf* b, const char* name) {
    const int id = btf__find_by_name_kind(b, name, BTF_KIND_FUNC);
    if (id <= 0) return {};
    const btf_type* function = btf__type_by_id(b, static_cast<__u32>(id));
    const btf_type* type = btf__type_by_id(b, function->type);
    if (type == nullptr || !btf_is_func_proto(type)) return {};
    return {static_cast<std::uint32_t>(id), btf_vlen(type)};
}

// The offset in bytes of a member, also inside unions and structures without a name.
std::optional<std::uint32_t> offset_in(const btf* b, const btf_type* type,
                                       std::string_view member) {
    const btf_member* members = btf_members(type);
    for (__u32 i = 0; i < btf_vlen(type); ++i) {
        const std::uint32_t at = btf_member_bit_offset(type, i) / 8;
        const std::string_view name = btf__name_by_offset(b, members[i].name_off);
        if (name == member) return at;
        if (!name.empty()) continue;
        const int inner = btf__resolve_type(b, members[i].type);
        const btf_type* nested =
            inner > 0 ? btf__type_by_id(b, static_cast<__u32>(inner)) : nullptr;
        if (nested == nullptr || !btf_is_composite(nested)) continue;
        if (const auto found = offset_in(b, nested, member)) return at + *found;
    }
    return std::nullopt;
}

Result<std::uint32_t> offset_of(const btf* b, const char* structure, std::string_view member) {
    const int id = btf__find_by_name_kind(b, structure, BTF_KIND_STRUCT);
    if (id > 0)
        if (const auto at = offset_in(b, btf__type_by_id(b, static_cast<__u32>(id)), member))
            return *at;
    return fail(Code::unsupported,
                std::string("this kernel's BTF has no ") + structure + "." + std::string(member));
}

}  // namespace

Result<Types> Types::read() {
    ::libbpf_set_print(nullptr);
    const std::unique_ptr<btf, Free> b(btf__load_vmlinux_btf());
    if (!b)
        return fail(errno_error(errno, "cannot read the kernel's own description",
                                "use a kernel with CONFIG_DEBUG_INFO_BTF"));
    Types types;
    for (std::size_t i = 0; i < kHooks; ++i)
        types.functions[i] = function_in(b.get(), kHookRows[i].function);
    PMOS_ASSIGN(types.cred_user_ns, offset_of(b.get(), "cred", "user_ns"));
    PMOS_ASSIGN(types.file_flags, offset_of(b.get(), "file", "f_flags"));
    PMOS_ASSIGN(const auto path, offset_of(b.get(), "file", "f_path"));
    PMOS_ASSIGN(const auto dentry, offset_of(b.get(), "path", "dentry"));
    types.file_dentry = path + dentry;
    PMOS_ASSIGN(const auto qstr, offset_of(b.get(), "dentry", "d_name"));
    PMOS_ASSIGN(const auto name, offset_of(b.get(), "qstr", "name"));
    types.dentry_name = qstr + name;
    return types;
}

}  // namespace pmos::refusals
