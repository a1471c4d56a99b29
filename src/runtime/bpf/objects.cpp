// bpf: maps, programs and links as descriptors. Knows no program's purpose.
#include "runtime/bpf/objects.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace pmos::bpf {

namespace {

constexpr std::size_t kLogBytes = 64 << 10;

}  // namespace

Result<UniqueFd> make_map(bpf_map_type type, std::size_t key, std::size_t value,
                          std::uint32_t entries) {
    bpf_attr attr{};
    attr.map_type = type;
    attr.key_size = static_cast<__u32>(key);
    attr.value_size = static_cast<__u32>(value);
    attr.max_entries = entries;
    UniqueFd map(sys_bpf(BPF_MAP_CREATE, attr));
    if (!map) return fail(errno_error(-map.get(), "cannot make a BPF map"));
    return map;
}

Result<UniqueFd> load_program(const Program& program, const Place& place, const char* name) {
    bpf_attr attr{};
    attr.prog_type = place.type;
    attr.expected_attach_type = place.attach;
    attr.attach_btf_id = place.function;
    attr.insns = address(program.data());
    attr.insn_cnt = static_cast<__u32>(program.size());
    attr.license = address("GPL");
    std::strncpy(attr.prog_name, name, sizeof attr.prog_name - 1);
    UniqueFd fd(sys_bpf(BPF_PROG_LOAD, attr));
    if (fd) return fd;
    const int err = -fd.get();
    // Only now with a log: a log that does not fit would itself be an error.
    std::vector<char> log(kLogBytes);
    attr.log_buf = address(log.data());
    attr.log_size = kLogBytes;
    attr.log_level = 1;
    UniqueFd again(sys_bpf(BPF_PROG_LOAD, attr));
    if (again) return again;
    Error error = errno_error(err, std::string("cannot run a program at ") + place.name);
    if (const auto verdict = verdict_of({log.data(), ::strnlen(log.data(), log.size())});
        !verdict.empty())
        error.why += " (" + verdict + ")";
    return fail(std::move(error));
}

Result<UniqueFd> attach_program(BorrowedFd program, const char* place) {
    bpf_attr attr{};
    attr.raw_tracepoint.prog_fd = static_cast<__u32>(program.get());
    UniqueFd link(sys_bpf(BPF_RAW_TRACEPOINT_OPEN, attr));
    if (!link)
        return fail(errno_error(-link.get(), std::string("cannot run a program at ") + place));
    return link;
}

Result<std::uint64_t> cgroup_id(BorrowedFd directory) {
    struct stat status {};
    if (::fstat(directory.get(), &status) != 0)
        return fail(errno_error(errno, "cannot look at the cgroup"));
    return status.st_ino;
}

}  // namespace pmos::bpf
