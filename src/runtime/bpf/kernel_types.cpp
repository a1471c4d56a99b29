// bpf: what this kernel says of its own functions and structures (BTF). Asked once; nothing of it
// is kept open.
#include "runtime/bpf/kernel_types.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <optional>
#include <string>

namespace pmos::bpf {

namespace {

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

}  // namespace

void KernelTypes::Free::operator()(btf* b) const noexcept { btf__free(b); }

Result<KernelTypes> KernelTypes::read() {
    ::libbpf_set_print(nullptr);
    btf* const b = btf__load_vmlinux_btf();
    if (b == nullptr)
        return fail(errno_error(errno, "cannot read the kernel's own description",
                                "use a kernel with CONFIG_DEBUG_INFO_BTF"));
    return KernelTypes(b);
}

KernelTypes::Function KernelTypes::function(const char* name) const {
    const btf* b = btf_.get();
    const int id = btf__find_by_name_kind(b, name, BTF_KIND_FUNC);
    if (id <= 0) return {};
    const btf_type* function = btf__type_by_id(b, static_cast<__u32>(id));
    const btf_type* type = btf__type_by_id(b, function->type);
    if (type == nullptr || !btf_is_func_proto(type)) return {};
    return {static_cast<std::uint32_t>(id), btf_vlen(type)};
}

Result<std::uint32_t> KernelTypes::offset(const char* structure, std::string_view member) const {
    const btf* b = btf_.get();
    const int id = btf__find_by_name_kind(b, structure, BTF_KIND_STRUCT);
    if (id > 0)
        if (const auto at = offset_in(b, btf__type_by_id(b, static_cast<__u32>(id)), member))
            return *at;
    return fail(Code::unsupported,
                std::string("this kernel's BTF has no ") + structure + "." + std::string(member));
}

}  // namespace pmos::bpf
