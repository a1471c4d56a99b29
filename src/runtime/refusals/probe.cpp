// refusals: what capability checks and Landlock refused to chosen cgroups, as programs after these
// hooks tell it (fexit, Linux 5.5). Refuses nothing itself.
#include "runtime/refusals/probe.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/bpf/call.h"
#include "runtime/bpf/objects.h"
#include "runtime/refusals/programs.h"

namespace pmos::refusals {
namespace {

using namespace bpf;

constexpr std::uint32_t kMaxCgroups = 256;
constexpr std::uint32_t kMaxTold = 4096;

Refusal refusal_of(const Record& r) {
    Refusal out;
    out.hook = static_cast<Hook>(std::min<std::uint32_t>(r.key.hook, kHooks - 1));
    out.cgroup = r.key.cgroup;
    out.pid = static_cast<int>(r.key.process);
    if (out.hook == Hook::capability)
        out.capability = r.key.number;
    else
        out.flags = r.key.number;
    out.own = r.key.own != 0;
    out.times = r.more + 1;
    out.program.assign(r.program, ::strnlen(r.program, sizeof r.program));
    out.name.assign(r.name, ::strnlen(r.name, sizeof r.name));
    return out;
}

}  // namespace

Result<Probe> Probe::make() {
    PMOS_ASSIGN(const Types types, Types::read());
    PMOS_ASSIGN(bpf::Ring ring, bpf::Ring::make());
    PMOS_ASSIGN(UniqueFd watched,
                make_map(BPF_MAP_TYPE_HASH, sizeof(std::uint64_t), sizeof(Watch), kMaxCgroups));
    PMOS_ASSIGN(UniqueFd told,
                make_map(BPF_MAP_TYPE_LRU_HASH, sizeof(Key), sizeof(Told), kMaxTold));
    Probe probe(types, std::move(ring), std::move(watched), std::move(told));
    probe.try_each();
    for (const auto& row : kHookRows)
        if (probe.sees(row.hook)) return probe;
    return fail(Code::unsupported, probe.why_unseen(Hook::capability));
}

// Whether this kernel's verifier takes each, and whether its trampolines take the first: to detach
// one waits for every task on the phone. Gone again at once.
void Probe::try_each() {
    bool attaches = false;
    for (const auto& row : kHookRows) {
        auto& why = unseen_[static_cast<std::size_t>(row.hook)];
        if (!types_.has(row.hook)) {
            why = std::string("this kernel has no ") + row.function;
            continue;
        }
        const auto tried = attaches ? load(row) : attach(row);
        attaches = attaches || tried.has_value();
        if (!tried) why = tried.error().message();
    }
}

Result<UniqueFd> Probe::load(const HookRow& row) const {
    const Maps maps{watched_.get(), told_.get(), ring_.fd().get()};
    const Place place{BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT,
                      types_.functions[static_cast<std::size_t>(row.hook)].id, row.function};
    return load_program(program_for(row, types_, maps), place, "pmos_refusal");
}

Result<UniqueFd> Probe::attach(const HookRow& row) const {
    PMOS_ASSIGN(const UniqueFd program, load(row));
    return attach_program(program.borrow(), row.function);
}

Result<> Probe::attach_wanted() {
    std::uint32_t wanted = 0;
    for (const auto& [cgroup, watched] : cgroups_) wanted |= watched.what;
    for (const auto& row : kHookRows) {
        const auto kind =
            row.hook == Hook::capability ? std::uint32_t{watch_capabilities} : watch_landlock;
        if ((wanted & kind) == 0 || !sees(row.hook) || attached_.contains(row.hook)) continue;
        PMOS_ASSIGN(UniqueFd link, attach(row));
        attached_.emplace(row.hook, std::move(link));
    }
    return {};
}

Result<> Probe::watch(std::uint64_t cgroup, std::uint32_t what) {
    Watch watch{.what = what};
    bpf_attr attr{};
    attr.map_fd = static_cast<__u32>(watched_.get());
    attr.key = address(&cgroup);
    if (what == 0) {
        cgroups_.erase(cgroup);
        static_cast<void>(sys_bpf(BPF_MAP_DELETE_ELEM, attr));
        return {};
    }
    attr.value = address(&watch);
    if (const int r = sys_bpf(BPF_MAP_UPDATE_ELEM, attr); r < 0)
        return fail(errno_error(-r, "cannot watch the cgroup"));
    cgroups_[cgroup] = {.what = what};
    auto attached = attach_wanted();
    // Nobody lets go of what could not be watched whole.
    if (!attached) static_cast<void>(this->watch(cgroup, 0));
    return attached;
}

std::uint64_t Probe::lost(std::uint64_t cgroup) {
    const auto watched = cgroups_.find(cgroup);
    if (watched == cgroups_.end()) return 0;
    Watch watch;
    bpf_attr attr{};
    attr.map_fd = static_cast<__u32>(watched_.get());
    attr.key = address(&cgroup);
    attr.value = address(&watch);
    if (sys_bpf(BPF_MAP_LOOKUP_ELEM, attr) < 0) return 0;
    return watch.lost - std::exchange(watched->second.lost, watch.lost);
}

std::vector<Refusal> Probe::take() {
    std::vector<Refusal> out;
    ring_.take(sizeof(Record), [&](const std::byte* bytes) {
        Record record;
        std::memcpy(&record, bytes, sizeof record);
        out.push_back(refusal_of(record));
    });
    return out;
}

}  // namespace pmos::refusals
