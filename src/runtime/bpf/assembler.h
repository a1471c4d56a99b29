// bpf: instructions one after the other, with jumps forward that are filled in when their end is
// known. Loads nothing.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "runtime/bpf/call.h"

namespace pmos::bpf {

class Assembler {
  public:
    void put(bpf_insn one) { program_.push_back(one); }
    void map(unsigned reg, int fd) { append_map(program_, reg, fd); }
    void stack_address(unsigned reg, int at) {
        put(move(reg, BPF_REG_10));
        put(add(reg, at));
    }
    std::size_t jump(unsigned op, unsigned reg, int value) {
        put(code(op, reg, 0, 0, value));
        return program_.size() - 1;
    }
    void land(std::size_t from) {
        program_[from].off = static_cast<__s16>(program_.size() - from - 1);
    }
    // To where the program answers 0.
    void out_if(unsigned op, unsigned reg, int value) { outs_.push_back(jump(op, reg, value)); }
    void out() { out_if(BPF_JMP | BPF_JA, 0, 0); }
    void leave(int answer) {
        put(set(BPF_REG_0, answer));
        put(code(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
    }
    Program end() {
        for (const auto from : outs_) land(from);
        leave(0);
        return std::move(program_);
    }

  private:
    Program program_;
    std::vector<std::size_t> outs_;
};

}  // namespace pmos::bpf
