// tests: the programs that tell refusals, as they are written; where this kernel keeps what they
// read.
#include "runtime/refusals/programs.h"

#include <catch2/catch.hpp>

#include "base/fd.h"
#include "runtime/refusals/types.h"

using namespace pmos;

namespace {

constexpr refusals::Maps kMaps{101, 102, 103};
constexpr int kStack = 512;

refusals::Types made_up() {
    refusals::Types types;
    for (auto& function : types.functions) function = {7, 4};
    types.cred_user_ns = 136;
    types.file_flags = 64;
    types.file_dentry = 24;
    types.dentry_name = 40;
    return types;
}

unsigned class_of(const bpf_insn& one) { return one.code & 7U; }
bool jumps(const bpf_insn& one) {
    const unsigned op = one.code & 0xf0U;
    return (class_of(one) == BPF_JMP || class_of(one) == BPF_JMP32) && op != BPF_CALL &&
           op != BPF_EXIT;
}
bool wide(const bpf_insn& one) { return one.code == (BPF_LD | BPF_DW | BPF_IMM); }

}  // namespace

TEST_CASE("each program ends, jumps forward to whole instructions, and stays on its stack") {
    for (const auto& row : refusals::kHookRows) {
        INFO(row.function);
        const auto program = refusals::program_for(row, made_up(), kMaps);
        REQUIRE(program.size() > 2);
        CHECK(program.back().code == (BPF_JMP | BPF_EXIT));
        std::vector<bool> second(program.size(), false);
        for (std::size_t i = 0; i < program.size(); ++i)
            if (wide(program[i])) second.at(++i) = true;
        for (std::size_t i = 0; i < program.size(); ++i) {
            const auto& one = program[i];
            INFO(i << ": code " << unsigned{one.code});
            if (second[i]) continue;
            if (jumps(one)) {
                CHECK(one.off >= 0);
                REQUIRE(i + 1 + static_cast<std::size_t>(one.off) < program.size());
                CHECK_FALSE(second[i + 1 + static_cast<std::size_t>(one.off)]);
            }
            if (class_of(one) == BPF_STX && one.dst_reg == BPF_REG_10) {
                CHECK(one.off < 0);
                CHECK(one.off >= -kStack);
            }
        }
    }
}

TEST_CASE("each program reads the answer of its hook first, and only its own maps") {
    for (const auto& row : refusals::kHookRows) {
        INFO(row.function);
        const auto program = refusals::program_for(row, made_up(), kMaps);
        CHECK(program[1].code == (BPF_LDX | BPF_MEM | BPF_DW));
        CHECK(program[1].off == 4 * 8);  // behind four arguments
        std::vector<int> maps;
        for (const auto& one : program)
            if (wide(one)) maps.push_back(one.imm);
        std::vector<int> expected(refusals::kDeepest, 101);  // at each level
        expected.insert(expected.end(), {102, 102, 103});
        CHECK(maps == expected);
    }
}

TEST_CASE("where this kernel keeps what is read, or why nobody knows") {
    const auto types = refusals::Types::read();
    if (!types) {
        CHECK(types.error().code == Code::unsupported);
        return;
    }
    CHECK(types->has(refusals::Hook::capability));
    CHECK(types->functions[0].arguments == 4);  // cred, namespace, capability, options
    for (const auto offset : {types->cred_user_ns, types->file_flags, types->dentry_name})
        CHECK((offset > 0 && offset < 4096));
    CHECK(types->cred_user_ns % 8 == 0);
    CHECK(types->file_dentry % 8 == 0);
    CHECK(types->dentry_name % 8 == 0);
}
