// policy: every path through a seccomp filter that a call could take of which only a part is known.
// Never loads a filter.
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <optional>
#include <set>
#include <vector>

#include "policy/syscall_filter.h"

namespace pmos::policy {
namespace {

struct State {
    std::size_t pc = 0;
    std::optional<std::uint32_t> a;  // empty: it could be anything
    friend auto operator<=>(const State&, const State&) = default;
};

class Paths {
  public:
    Paths(const BpfProgram& program, const PartialData& data) : program_(program), data_(data) {}

    bool reach_allow() {
        go({0, 0});
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
                go({s.pc + 1, s.a ? std::optional(*s.a & i.k) : std::nullopt});
                return false;
            case BPF_JMP:
                jump(s, i);
                return false;
            default:
                // What is no return with a constant is taken for an allowance: never too little.
                return BPF_RVAL(i.code) == BPF_A || i.k == SECCOMP_RET_ALLOW;
        }
    }
    std::optional<std::uint32_t> load(std::uint32_t offset) const {
        const std::uint32_t word = offset / 4;
        if (word >= 16 || (data_.known >> word & 1U) == 0) return std::nullopt;
        return data_.words[word];
    }
    void jump(const State& s, const BpfInstruction& i) {
        if (BPF_OP(i.code) == BPF_JA) return go({s.pc + 1 + i.k, s.a});
        if (!s.a) {
            // Past an equality the word is known.
            go({s.pc + 1 + i.jt, BPF_OP(i.code) == BPF_JEQ ? std::optional(i.k) : std::nullopt});
            go({s.pc + 1 + i.jf, std::nullopt});
            return;
        }
        const std::uint32_t a = *s.a;
        const bool taken = BPF_OP(i.code) == BPF_JEQ   ? a == i.k
                           : BPF_OP(i.code) == BPF_JGT ? a > i.k
                           : BPF_OP(i.code) == BPF_JGE ? a >= i.k
                                                       : (a & i.k) != 0;
        go({s.pc + 1 + (taken ? i.jt : i.jf), s.a});
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
