// policy: every path through a seccomp filter that a call could take of which only a part is known.
// Never loads a filter.
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "policy/syscall_filter.h"

namespace pmos::policy {
namespace {

struct State {
    std::size_t pc = 0;
    PartialWord a;
    friend auto operator<=>(const State&, const State&) = default;
};

class Paths {
  public:
    Paths(const BpfProgram& program, const PartialData& data) : program_(program), data_(data) {}

    bool reach_allow() {
        if (program_.empty()) return true;
        go({0, {0, UINT32_MAX}});
        while (!open_.empty()) {
            const State s = open_.back();
            open_.pop_back();
            if (step(s)) return true;
        }
        return false;
    }

  private:
    void go(const State& s) {
        if (s.pc < program_.size() && seen_.insert(s).second) open_.push_back(s);
    }
    // True: this path ends in an allowance.
    bool step(const State& s) {
        const BpfInstruction& i = program_[s.pc];
        switch (BPF_CLASS(i.code)) {
            case BPF_LD:
                go({s.pc + 1, load(i.k)});
                return false;
            case BPF_ALU:
                // Where the mask is 0 the outcome is known to be.
                go({s.pc + 1, {s.a.value & i.k, s.a.known | ~i.k}});
                return false;
            case BPF_JMP:
                jump(s, i);
                return false;
            default:
                // What is no return with a constant is taken for an allowance: never too little.
                return BPF_RVAL(i.code) == BPF_A || i.k == SECCOMP_RET_ALLOW;
        }
    }
    PartialWord load(std::uint32_t offset) const {
        return offset / 4 < std::size(data_.words) ? data_.words[offset / 4] : PartialWord{};
    }
    void jump(const State& s, const BpfInstruction& i) {
        if (BPF_OP(i.code) == BPF_JA) return go({s.pc + 1 + i.k, s.a});
        const auto [may, may_not] = outcomes(s.a, i);
        // Past an equality the word is known.
        const bool equal = BPF_OP(i.code) == BPF_JEQ;
        if (may) go({s.pc + 1 + i.jt, equal ? PartialWord{i.k, UINT32_MAX} : s.a});
        if (may_not) go({s.pc + 1 + i.jf, s.a});
    }
    // Whether the test could hold, and whether it could fail.
    static std::pair<bool, bool> outcomes(PartialWord a, const BpfInstruction& i) {
        const bool whole = a.known == UINT32_MAX;
        switch (BPF_OP(i.code)) {
            case BPF_JEQ:
                return {((a.value ^ i.k) & a.known) == 0, !whole || a.value != i.k};
            case BPF_JSET:
                return {(a.value & i.k) != 0 || (i.k & ~a.known) != 0, (a.value & i.k) == 0};
            case BPF_JGT:
                return {!whole || a.value > i.k, !whole || a.value <= i.k};
            default:
                return {!whole || a.value >= i.k, !whole || a.value < i.k};
        }
    }

    const BpfProgram& program_;
    const PartialData& data_;
    std::set<State> seen_;
    std::vector<State> open_;
};

}  // namespace

bool may_allow(const BpfProgram& program, const PartialData& data) {
    return Paths(program, data).reach_allow();
}

}  // namespace pmos::policy
