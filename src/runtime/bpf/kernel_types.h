// bpf: what this kernel says of its own functions and structures (BTF). Asked once; nothing of it
// is kept open.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"

struct btf;

namespace pmos::bpf {

class KernelTypes {
  public:
    // An error where the kernel does not describe itself (CONFIG_DEBUG_INFO_BTF).
    static Result<KernelTypes> read();

    struct Function {
        std::uint32_t id = 0;  // 0: this kernel has no such function
        unsigned arguments = 0;
    };
    Function function(const char* name) const;
    // The offset in bytes of a member, also inside unions and structures without a name.
    Result<std::uint32_t> offset(const char* structure, std::string_view member) const;

  private:
    struct Free {
        void operator()(btf* b) const noexcept;
    };
    explicit KernelTypes(btf* b) : btf_(b) {}
    std::unique_ptr<btf, Free> btf_;
};

}  // namespace pmos::bpf
