// refusals: what capability checks and Landlock refused to chosen cgroups, as programs after these
// hooks tell it (fexit, Linux 5.5). Refuses nothing itself.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/bpf/ring.h"
#include "runtime/refusals/types.h"

namespace pmos::refusals {

struct Refusal {
    Hook hook{};
    std::uint64_t cgroup = 0;  // the inode of the one that is watched
    int pid = 0;
    std::uint32_t capability = 0;
    bool own = false;           // the capability was asked of the mode's own user namespace
    std::uint32_t flags = 0;    // of open(2), with the kernel's own FMODE_EXEC
    std::string name, program;  // the mode chose them, never to be trusted
    std::uint64_t times = 1;
};

// Nothing runs in the kernel until a cgroup is watched. What was attached for it stays until the
// Probe goes: detaching waits for every task on the phone, once for each hook. Attached and with
// nobody watched, a check that refuses nothing costs a call that returns at once, and one that
// refuses a few look-ups more (handset test 42-denials-asked measures both).
class Probe {
  public:
    // Has the kernel take every program once. unsupported, with the reason, where it takes none.
    static Result<Probe> make();
    Probe(Probe&&) = default;
    Probe& operator=(Probe&&) = delete;

    bool sees(Hook hook) const { return unseen_[static_cast<std::size_t>(hook)].empty(); }
    // Why this kernel does not take the program of a hook; empty where it does.
    const std::string& why_unseen(Hook hook) const {
        return unseen_[static_cast<std::size_t>(hook)];
    }

    // With all cgroups below it. `what`: bits of Watched, 0 to leave.
    Result<> watch(std::uint64_t cgroup, std::uint32_t what);
    // Refusals to a watched cgroup that came too fast to be told one by one, since the last look.
    std::uint64_t lost(std::uint64_t cgroup);

    BorrowedFd fd() const noexcept { return ring_.fd(); }
    std::vector<Refusal> take();

  private:
    Probe(Types types, bpf::Ring ring, UniqueFd watched, UniqueFd told)
        : types_(types),
          ring_(std::move(ring)),
          watched_(std::move(watched)),
          told_(std::move(told)) {}
    Result<UniqueFd> load(const HookRow& row) const;
    Result<UniqueFd> attach(const HookRow& row) const;
    void try_each();
    Result<> attach_wanted();

    Types types_;
    std::array<std::string, kHooks> unseen_;
    bpf::Ring ring_;
    UniqueFd watched_, told_;
    std::map<Hook, UniqueFd> attached_;
    struct Watched {
        std::uint32_t what = 0;
        std::uint64_t lost = 0;  // as it was counted at the last look
    };
    std::map<std::uint64_t, Watched> cgroups_;
};

}  // namespace pmos::refusals
