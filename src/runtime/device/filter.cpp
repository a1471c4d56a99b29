// device: the cgroup device filter of a mode, BPF_PROG_TYPE_CGROUP_DEVICE by raw bpf(2). Takes
// finished instructions from the plan; never decides what is allowed.
#include "runtime/device/filter.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/bpf/call.h"

namespace pmos::device {
namespace {

using namespace bpf;

// How our program is told from another's on the same cgroup (systemd's DeviceAllow=).
constexpr std::string_view kName = "pmos_device";
constexpr std::size_t kMaxPrograms = 64;  // the kernel's own bound per cgroup and type
constexpr std::size_t kLogBytes = 16 << 10;

bpf_attr load_attributes(std::span<const std::uint8_t> instructions) {
    bpf_attr attr{};
    attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attr.insns = address(instructions.data());
    attr.insn_cnt = static_cast<std::uint32_t>(instructions.size() / sizeof(bpf_insn));
    attr.license = address("GPL");
    std::ranges::copy(kName, attr.prog_name);
    return attr;
}

bool is_ours(BorrowedFd program) {
    bpf_prog_info info{};
    bpf_attr attr{};
    attr.info.bpf_fd = static_cast<std::uint32_t>(program.get());
    attr.info.info_len = sizeof info;
    attr.info.info = address(&info);
    return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, attr) == 0 && kName == info.name;
}

// Empty when none of ours is attached.
Result<UniqueFd> find_ours(BorrowedFd cgroup) {
    std::array<std::uint32_t, kMaxPrograms> ids{};
    bpf_attr attr{};
    attr.query.target_fd = static_cast<std::uint32_t>(cgroup.get());
    attr.query.attach_type = BPF_CGROUP_DEVICE;
    attr.query.prog_ids = address(ids.data());
    attr.query.prog_cnt = kMaxPrograms;
    if (const int r = sys_bpf(BPF_PROG_QUERY, attr); r < 0)
        return fail(errno_error(-r, "cannot look at the cgroup's device filters"));
    for (std::size_t i = 0; i < std::min<std::size_t>(attr.query.prog_cnt, kMaxPrograms); ++i) {
        bpf_attr get{};
        get.prog_id = ids[i];
        UniqueFd program(sys_bpf(BPF_PROG_GET_FD_BY_ID, get));
        if (program && is_ours(program.borrow())) return program;
    }
    return UniqueFd();
}

}  // namespace

Result<UniqueFd> load_filter(std::span<const std::uint8_t> instructions) {
    if (instructions.empty() || instructions.size() % sizeof(bpf_insn) != 0)
        return fail(Code::usage, "the device filter is not a program");
    bpf_attr attr = load_attributes(instructions);
    const int fd = sys_bpf(BPF_PROG_LOAD, attr);
    if (fd >= 0) return UniqueFd(fd);
    // Only now with a log: a log that does not fit would itself be an error.
    std::vector<char> log(kLogBytes);
    attr = load_attributes(instructions);
    attr.log_buf = address(log.data());
    attr.log_size = kLogBytes;
    attr.log_level = 1;
    const int again = sys_bpf(BPF_PROG_LOAD, attr);
    if (again >= 0) return UniqueFd(again);
    Error error = errno_error(-fd, "cannot load the device filter");
    if (auto verdict = verdict_of({log.data(), ::strnlen(log.data(), log.size())});
        !verdict.empty())
        error.why += " (" + verdict + ")";
    return fail(std::move(error));
}

Result<void> attach_filter(BorrowedFd cgroup, BorrowedFd program) {
    PMOS_ASSIGN(const UniqueFd before, find_ours(cgroup));
    bpf_attr attr{};
    attr.target_fd = static_cast<std::uint32_t>(cgroup.get());
    attr.attach_bpf_fd = static_cast<std::uint32_t>(program.get());
    attr.attach_type = BPF_CGROUP_DEVICE;
    attr.attach_flags = BPF_F_ALLOW_MULTI;
    if (before) {
        attr.attach_flags |= BPF_F_REPLACE;  // Linux 5.6
        attr.replace_bpf_fd = static_cast<std::uint32_t>(before.get());
    }
    if (const int r = sys_bpf(BPF_PROG_ATTACH, attr); r < 0)
        return fail(errno_error(-r, "cannot attach the device filter",
                                "the kernel needs CONFIG_CGROUP_BPF and cgroup v2"));
    return {};
}

Result<void> detach_filter(BorrowedFd cgroup) {
    PMOS_ASSIGN(const UniqueFd program, find_ours(cgroup));
    if (!program) return {};
    bpf_attr attr{};
    attr.target_fd = static_cast<std::uint32_t>(cgroup.get());
    attr.attach_bpf_fd = static_cast<std::uint32_t>(program.get());
    attr.attach_type = BPF_CGROUP_DEVICE;
    if (const int r = sys_bpf(BPF_PROG_DETACH, attr); r < 0)
        return fail(errno_error(-r, "cannot detach the device filter"));
    return {};
}

Result<bool> has_filter(BorrowedFd cgroup) {
    PMOS_ASSIGN(const UniqueFd program, find_ours(cgroup));
    return static_cast<bool>(program);
}

}  // namespace pmos::device
