// device: takes devices that are open already away from a cgroup, and gives them back. Decides
// nothing.
#include "runtime/device/revoker.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <iterator>

#include "runtime/bpf/assembler.h"
#include "runtime/bpf/kernel_types.h"
#include "runtime/bpf/objects.h"

namespace pmos::device {
namespace {

using namespace bpf;

// cgroup 0: of any, so that a device that nobody misses costs one look-up.
struct Key {
    std::uint64_t cgroup = 0;
    std::uint32_t device = 0;  // dev_t as the kernel has it: major << 20 | minor
    std::uint32_t type = 0;    // S_IFCHR or S_IFBLK
};
static_assert(sizeof(Key) == 16);
constexpr std::uint32_t kMaxTaken = 4096;
// How far below the root a mode's cgroup may be: it is the second or third, and a phone whose
// pmosd is itself in a container has some above.
constexpr int kDeepest = 10;

// Where the kernel asks. The file is the first argument of each.
constexpr std::array kHooks{"bpf_lsm_file_ioctl", "bpf_lsm_mmap_file", "bpf_lsm_file_permission"};
// Since Linux 6.8; before, ioctls of 32-bit programs came through the first.
constexpr const char* kCompat = "bpf_lsm_file_ioctl_compat";

Key key_of(std::uint64_t cgroup, const Number& device) {
    return {cgroup, device.major << 20U | device.minor,
            static_cast<std::uint32_t>(device.block ? S_IFBLK : S_IFCHR)};
}

struct Offsets {
    std::uint32_t file_inode = 0, inode_rdev = 0, inode_mode = 0;
};

Program refuse_taken(const Offsets& at, int map) {
    constexpr int kKey = -static_cast<int>(sizeof(Key));
    const auto look_up = [map](Assembler& a) {
        a.map(BPF_REG_1, map);
        a.stack_address(BPF_REG_2, kKey);
        a.put(call(BPF_FUNC_map_lookup_elem));
    };
    Assembler a;
    a.put(load(BPF_DW, BPF_REG_6, BPF_REG_1, 0));
    // Memory without a file. Kernels that call the argument trusted take the first question for
    // one that is always answered no, and leave it out; the second they cannot decide.
    a.out_if(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_6, 0);
    a.out_if(BPF_JMP | BPF_JLT | BPF_K, BPF_REG_6, 1);
    a.put(load(BPF_DW, BPF_REG_6, BPF_REG_6, static_cast<int>(at.file_inode)));
    a.put(load(BPF_W, BPF_REG_7, BPF_REG_6, static_cast<int>(at.inode_rdev)));
    a.out_if(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_7, 0);  // no device
    a.put(store(BPF_W, BPF_REG_10, kKey + static_cast<int>(offsetof(Key, device)), BPF_REG_7));
    a.put(load(BPF_H, BPF_REG_7, BPF_REG_6, static_cast<int>(at.inode_mode)));
    a.put(code(BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_7, 0, 0, S_IFMT));
    a.put(store(BPF_W, BPF_REG_10, kKey + static_cast<int>(offsetof(Key, type)), BPF_REG_7));
    a.put(set(BPF_REG_1, 0));
    a.put(store(BPF_DW, BPF_REG_10, kKey, BPF_REG_1));
    look_up(a);
    a.out_if(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0);
    std::vector<std::size_t> taken;
    for (int level = 1; level <= kDeepest; ++level) {
        a.put(set(BPF_REG_1, level));
        a.put(call(BPF_FUNC_get_current_ancestor_cgroup_id));
        a.out_if(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0);  // the process is above that level
        a.put(store(BPF_DW, BPF_REG_10, kKey, BPF_REG_0));
        look_up(a);
        taken.push_back(a.jump(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0));
    }
    a.out();
    for (const auto from : taken) a.land(from);
    a.leave(-EPERM);
    return a.end();
}

Result<> kernel_asks() {
    std::ifstream file("/sys/kernel/security/lsm");
    const std::string modules{std::istreambuf_iterator<char>(file), {}};
    if (("," + modules + ",").find(",bpf") != std::string::npos) return {};
    return fail(Code::unsupported, "the kernel asks no BPF program",
                modules.empty() ? "/sys/kernel/security/lsm cannot be read" : "lsm=" + modules,
                "boot with lsm=...,bpf, and mount securityfs");
}

Result<> update(BorrowedFd map, const Key& key, std::uint64_t value) {
    bpf_attr attr{};
    attr.map_fd = static_cast<__u32>(map.get());
    attr.key = address(&key);
    attr.value = address(&value);
    if (const int r = sys_bpf(BPF_MAP_UPDATE_ELEM, attr); r < 0)
        return fail(errno_error(-r, "cannot take a device away"));
    return {};
}

bool erase(BorrowedFd map, const Key& key) {
    bpf_attr attr{};
    attr.map_fd = static_cast<__u32>(map.get());
    attr.key = address(&key);
    return sys_bpf(BPF_MAP_DELETE_ELEM, attr) == 0;
}

// All keys of the map.
std::vector<Key> keys_of(BorrowedFd map) {
    std::vector<Key> keys;
    Key key, next;
    bpf_attr attr{};
    attr.map_fd = static_cast<__u32>(map.get());
    attr.next_key = address(&next);
    while (keys.size() < kMaxTaken && sys_bpf(BPF_MAP_GET_NEXT_KEY, attr) == 0) {
        keys.push_back(key = next);
        attr.key = address(&key);
    }
    return keys;
}

}  // namespace

Result<Revoker> Revoker::make() {
    PMOS_TRY(kernel_asks());
    PMOS_ASSIGN(UniqueFd taken,
                make_map(BPF_MAP_TYPE_HASH, sizeof(Key), sizeof(std::uint64_t), kMaxTaken));
    Revoker revoker(std::move(taken));
    PMOS_TRY(revoker.load());
    return revoker;
}

Result<Revoker> Revoker::take_over(std::vector<UniqueFd> kept) {
    if (kept.size() < 1 + kHooks.size())
        return fail(Code::not_found, "what takes devices away was not kept");
    Revoker revoker(std::move(kept.front()));
    for (std::size_t i = 1; i < kept.size(); ++i) revoker.links_.push_back(std::move(kept[i]));
    return revoker;
}

std::vector<BorrowedFd> Revoker::descriptors() const {
    std::vector<BorrowedFd> all;
    if (links_.empty()) return all;
    all.push_back(taken_.borrow());
    for (const auto& link : links_) all.push_back(link.borrow());
    return all;
}

// What the kernel's verifier takes; attached nowhere.
Result<std::vector<UniqueFd>> Revoker::load() const {
    PMOS_ASSIGN(const auto kernel, KernelTypes::read());
    Offsets at;
    PMOS_ASSIGN(at.file_inode, kernel.offset("file", "f_inode"));
    PMOS_ASSIGN(at.inode_rdev, kernel.offset("inode", "i_rdev"));
    PMOS_ASSIGN(at.inode_mode, kernel.offset("inode", "i_mode"));
    const auto program = refuse_taken(at, taken_.get());
    std::vector<const char*> hooks(kHooks.begin(), kHooks.end());
    if (kernel.function(kCompat).id != 0) hooks.push_back(kCompat);
    std::vector<UniqueFd> loaded;
    for (const char* hook : hooks) {
        const auto function = kernel.function(hook);
        if (function.id == 0)
            return fail(Code::unsupported, std::string("this kernel has no ") + hook);
        const Place place{BPF_PROG_TYPE_LSM, BPF_LSM_MAC, function.id, hook};
        PMOS_ASSIGN(UniqueFd one, load_program(program, place, "pmos_revoke"));
        loaded.push_back(std::move(one));
    }
    return loaded;
}

Result<> Revoker::begin() {
    if (!links_.empty()) return {};
    PMOS_ASSIGN(const auto programs, load());
    std::vector<UniqueFd> links;
    for (const auto& program : programs) {
        PMOS_ASSIGN(UniqueFd link, attach_program(program.borrow(), "a hook of the BPF LSM"));
        links.push_back(std::move(link));
    }
    links_ = std::move(links);
    return {};
}

Result<> Revoker::take_away(std::uint64_t cgroup, const Number& device) {
    PMOS_TRY(begin());
    PMOS_TRY(update(taken_.borrow(), key_of(cgroup, device), 1));
    // The last, as it is what the programs look for first.
    return update(taken_.borrow(), key_of(0, device), 1);
}

void Revoker::give_back(std::uint64_t cgroup, const Number& device) {
    const Key own = key_of(cgroup, device);
    erase(taken_.borrow(), own);
    for (const Key& key : keys_of(taken_.borrow()))
        if (key.cgroup != 0 && key.device == own.device && key.type == own.type) return;
    erase(taken_.borrow(), key_of(0, device));
}

void Revoker::forget(std::uint64_t cgroup) {
    for (const Key& key : keys_of(taken_.borrow()))
        if (key.cgroup == cgroup)
            give_back(cgroup,
                      {key.type == S_IFBLK, key.device >> 20U, key.device & ((1U << 20U) - 1)});
}

}  // namespace pmos::device
