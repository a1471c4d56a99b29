// refusals: the BPF programs that run after a security hook and tell what it refused. Assembles
// them; loads none.
#include "runtime/refusals/programs.h"

#include "runtime/bpf/assembler.h"

namespace pmos::refusals {
namespace {

using namespace bpf;

constexpr int kCapOptNoAudit = 2;  // include/linux/security.h
// On the stack, from its end downwards.
constexpr int kRecord = -static_cast<int>(sizeof(Record));
constexpr int kKey = kRecord + static_cast<int>(offsetof(Record, key));
constexpr int kTold = kRecord - static_cast<int>(sizeof(Told));
constexpr unsigned kContext = BPF_REG_6, kSeen = BPF_REG_7, kNow = BPF_REG_8, kWatch = BPF_REG_9;

int in_key(std::size_t field) { return kKey + static_cast<int>(field); }

void clear_stack(Assembler& a) {
    a.put(set(BPF_REG_0, 0));
    for (int at = kTold; at < 0; at += 8) a.put(store(BPF_DW, BPF_REG_10, at, BPF_REG_0));
}

// Whose it is: of the cgroups above the process, from the root down, the one that is watched. A
// mode may have made more below its own. Out where none is.
void find_watch(Assembler& a, const Maps& maps) {
    std::vector<std::size_t> found;
    for (int level = 1; level <= kDeepest; ++level) {
        a.put(set(BPF_REG_1, level));
        a.put(call(BPF_FUNC_get_current_ancestor_cgroup_id));
        a.out_if(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0);  // the process is above that level
        a.put(store(BPF_DW, BPF_REG_10, in_key(offsetof(Key, cgroup)), BPF_REG_0));
        a.map(BPF_REG_1, maps.watched);
        a.stack_address(BPF_REG_2, in_key(offsetof(Key, cgroup)));
        a.put(call(BPF_FUNC_map_lookup_elem));
        found.push_back(a.jump(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0));
    }
    a.out();
    for (const auto from : found) a.land(from);
    a.put(move(kWatch, BPF_REG_0));
}

// Out where nothing was refused, or where nobody wants to know.
void leave_early(Assembler& a, const HookRow& row, const bpf::KernelTypes::Function& f,
                 const Maps& maps) {
    a.put(load(BPF_DW, BPF_REG_1, kContext, static_cast<int>(f.arguments) * 8));
    a.out_if(BPF_JMP32 | BPF_JEQ | BPF_K, BPF_REG_1, 0);
    if (row.hook == Hook::capability) {
        a.put(load(BPF_DW, BPF_REG_1, kContext, 3 * 8));
        a.out_if(BPF_JMP | BPF_JSET | BPF_K, BPF_REG_1, kCapOptNoAudit);
    }
    clear_stack(a);
    find_watch(a, maps);
    a.put(load(BPF_DW, BPF_REG_1, kWatch, offsetof(Watch, what)));
    const auto wanted =
        row.hook == Hook::capability ? std::uint32_t{watch_capabilities} : watch_landlock;
    const auto wants = a.jump(BPF_JMP | BPF_JSET | BPF_K, BPF_REG_1, static_cast<int>(wanted));
    a.out();
    a.land(wants);
}

// What was tried, into a register.
void load_dentry(Assembler& a, const HookRow& row, const Types& types, unsigned to) {
    a.put(load(BPF_DW, to, kContext, static_cast<int>(row.argument) * 8));
    if (row.object == Object::file)
        a.put(load(BPF_DW, to, to, static_cast<int>(types.file_dentry)));
}

void put_key(Assembler& a, const HookRow& row, const Types& types) {
    a.put(call(BPF_FUNC_get_current_pid_tgid));
    a.put(code(BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_0, 0, 0, 32));
    a.put(store(BPF_W, BPF_REG_10, in_key(offsetof(Key, process)), BPF_REG_0));
    a.put(set(BPF_REG_1, static_cast<int>(row.hook)));
    a.put(store(BPF_W, BPF_REG_10, in_key(offsetof(Key, hook)), BPF_REG_1));
    if (row.hook == Hook::capability) {
        a.put(load(BPF_DW, BPF_REG_1, kContext, 2 * 8));
        a.put(store(BPF_W, BPF_REG_10, in_key(offsetof(Key, number)), BPF_REG_1));
        a.put(load(BPF_DW, BPF_REG_1, kContext, 0));
        a.put(load(BPF_DW, BPF_REG_1, BPF_REG_1, static_cast<int>(types.cred_user_ns)));
        a.put(load(BPF_DW, BPF_REG_2, kContext, 8));
        a.put(set(BPF_REG_3, 1));
        a.put(code(BPF_JMP | BPF_JEQ | BPF_X, BPF_REG_1, BPF_REG_2, 1, 0));
        a.put(set(BPF_REG_3, 0));
        a.put(store(BPF_W, BPF_REG_10, in_key(offsetof(Key, own)), BPF_REG_3));
    } else if (row.object == Object::file) {
        a.put(load(BPF_DW, BPF_REG_1, kContext, static_cast<int>(row.argument) * 8));
        a.put(load(BPF_W, BPF_REG_1, BPF_REG_1, static_cast<int>(types.file_flags)));
        a.put(store(BPF_W, BPF_REG_10, in_key(offsetof(Key, number)), BPF_REG_1));
    }
    if (row.object == Object::none) return;
    load_dentry(a, row, types, BPF_REG_1);
    a.put(store(BPF_DW, BPF_REG_10, in_key(offsetof(Key, object)), BPF_REG_1));
}

// Out where the same was told a moment ago, counting it.
void put_times(Assembler& a, const Maps& maps) {
    a.put(call(BPF_FUNC_ktime_get_ns));
    a.put(move(kNow, BPF_REG_0));
    a.map(BPF_REG_1, maps.told);
    a.stack_address(BPF_REG_2, kKey);
    a.put(call(BPF_FUNC_map_lookup_elem));
    a.put(move(kSeen, BPF_REG_0));
    const auto fresh = a.jump(BPF_JMP | BPF_JEQ | BPF_K, kSeen, 0);
    a.put(load(BPF_DW, BPF_REG_1, kSeen, offsetof(Told, at)));
    a.put(move(BPF_REG_2, kNow));
    a.put(code(BPF_ALU64 | BPF_SUB | BPF_X, BPF_REG_2, BPF_REG_1, 0, 0));
    const auto due = a.jump(BPF_JMP | BPF_JGE | BPF_K, BPF_REG_2, static_cast<int>(kOnceIn));
    a.put(set(BPF_REG_1, 1));
    a.put(code(BPF_STX | BPF_ATOMIC | BPF_DW, kSeen, BPF_REG_1, offsetof(Told, more), BPF_ADD));
    a.out();
    a.land(due);
    a.put(load(BPF_DW, BPF_REG_1, kSeen, offsetof(Told, more)));
    a.put(store(BPF_DW, BPF_REG_10, kRecord + static_cast<int>(offsetof(Record, more)), BPF_REG_1));
    a.put(store(BPF_DW, kSeen, offsetof(Told, at), kNow));
    a.put(set(BPF_REG_1, 0));
    a.put(store(BPF_DW, kSeen, offsetof(Told, more), BPF_REG_1));
    const auto counted = a.jump(BPF_JMP | BPF_JA, 0, 0);
    a.land(fresh);
    a.put(store(BPF_DW, BPF_REG_10, kTold + static_cast<int>(offsetof(Told, at)), kNow));
    a.map(BPF_REG_1, maps.told);
    a.stack_address(BPF_REG_2, kKey);
    a.stack_address(BPF_REG_3, kTold);
    a.put(set(BPF_REG_4, BPF_ANY));
    a.put(call(BPF_FUNC_map_update_elem));
    a.land(counted);
}

// A jump from where the second's share is used up. Two processors may count one too few.
std::size_t count_in_second(Assembler& a) {
    a.put(move(BPF_REG_2, kNow));
    a.put(load(BPF_DW, BPF_REG_1, kWatch, offsetof(Watch, since)));
    a.put(code(BPF_ALU64 | BPF_SUB | BPF_X, BPF_REG_2, BPF_REG_1, 0, 0));
    const auto same = a.jump(BPF_JMP | BPF_JLT | BPF_K, BPF_REG_2, static_cast<int>(kSecond));
    a.put(store(BPF_DW, kWatch, offsetof(Watch, since), kNow));
    a.put(set(BPF_REG_1, 0));
    a.put(store(BPF_DW, kWatch, offsetof(Watch, told), BPF_REG_1));
    a.land(same);
    a.put(load(BPF_DW, BPF_REG_1, kWatch, offsetof(Watch, told)));
    const auto over = a.jump(BPF_JMP | BPF_JGE | BPF_K, BPF_REG_1, static_cast<int>(kTellInSecond));
    a.put(add(BPF_REG_1, 1));
    a.put(store(BPF_DW, kWatch, offsetof(Watch, told), BPF_REG_1));
    return over;
}

void put_names(Assembler& a, const HookRow& row, const Types& types) {
    a.stack_address(BPF_REG_1, kRecord + static_cast<int>(offsetof(Record, program)));
    a.put(set(BPF_REG_2, sizeof Record::program));
    a.put(call(BPF_FUNC_get_current_comm));
    if (row.object == Object::none) return;
    load_dentry(a, row, types, BPF_REG_3);
    a.put(load(BPF_DW, BPF_REG_3, BPF_REG_3, static_cast<int>(types.dentry_name)));
    a.stack_address(BPF_REG_1, kRecord + static_cast<int>(offsetof(Record, name)));
    a.put(set(BPF_REG_2, sizeof Record::name));
    a.put(call(BPF_FUNC_probe_read_kernel_str));
}

// Into the ring; `over`, and where that is full, among the lost.
void tell(Assembler& a, const Maps& maps, std::size_t over) {
    a.map(BPF_REG_1, maps.ring);
    a.stack_address(BPF_REG_2, kRecord);
    a.put(set(BPF_REG_3, sizeof(Record)));
    a.put(set(BPF_REG_4, 0));
    a.put(call(BPF_FUNC_ringbuf_output));
    a.out_if(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0);
    a.land(over);
    a.put(load(BPF_DW, BPF_REG_1, BPF_REG_10, kRecord + static_cast<int>(offsetof(Record, more))));
    a.put(add(BPF_REG_1, 1));
    a.put(code(BPF_STX | BPF_ATOMIC | BPF_DW, kWatch, BPF_REG_1, offsetof(Watch, lost), BPF_ADD));
}

}  // namespace

Program program_for(const HookRow& row, const Types& types, const Maps& maps) {
    Assembler a;
    a.put(move(kContext, BPF_REG_1));
    leave_early(a, row, types.functions[static_cast<std::size_t>(row.hook)], maps);
    put_key(a, row, types);
    put_times(a, maps);
    const auto over = count_in_second(a);
    put_names(a, row, types);
    tell(a, maps, over);
    return a.end();
}

}  // namespace pmos::refusals
