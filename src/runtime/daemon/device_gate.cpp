// daemon: the device nodes that a mode may use in the foreground only, opened and shut to it as its
// plan says. Chooses no node.
#include "runtime/daemon/device_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "policy/device_filter.h"
#include "runtime/bpf/objects.h"
#include "runtime/daemon/journal.h"
#include "runtime/device/filter.h"

namespace pmos::daemon {
namespace {

constexpr std::string_view kKept = "device-revoker/";

// Each node that is for the foreground only.
std::vector<device::Number> numbers_in(const policy::LaunchPlan& plan) {
    std::vector<device::Number> numbers;
    for (const auto& node : plan.device_nodes)
        if (node.foreground)
            numbers.push_back(
                {node.type == policy::image::NodeType::block, node.major, node.minor});
    return numbers;
}

}  // namespace

bool has_foreground_devices(const Mode& mode) {
    const auto& plan = mode.running ? mode.running->plan : mode.plan;
    return plan && std::ranges::any_of(plan->device_nodes, &policy::DeviceNode::foreground);
}

void DeviceGate::begin(std::vector<KeptDescriptor>& kept) {
    std::vector<KeptDescriptor> own;
    std::erase_if(kept, [&own](KeptDescriptor& one) {
        if (!one.name.starts_with(kKept)) return false;
        own.push_back(std::move(one));
        return true;
    });
    std::ranges::sort(own, {}, &KeptDescriptor::name);
    std::vector<UniqueFd> descriptors;
    for (auto& one : own) descriptors.push_back(std::move(one.fd));
    kept_ = !descriptors.empty();
    auto revoker =
        kept_ ? device::Revoker::take_over(std::move(descriptors)) : device::Revoker::make();
    if (!revoker && kept_) {
        for (const auto& one : own) forget_descriptor(one.name);
        kept_ = false;
        revoker = device::Revoker::make();
    }
    if (revoker)
        revoker_.emplace(std::move(*revoker));
    else
        why_not_ = revoker.error().message();
}

Result<std::shared_ptr<const DeviceFilters>> DeviceGate::load(const policy::LaunchPlan& plan) {
    auto filters = std::make_shared<DeviceFilters>();
    PMOS_ASSIGN(filters->front, denials_.load_filter(plan.device_filter));
    if (std::ranges::any_of(plan.device_nodes, &policy::DeviceNode::foreground)) {
        PMOS_ASSIGN(filters->behind, denials_.load_filter(policy::background_device_filter(plan)));
        if (revoker_) PMOS_TRY(revoker_->begin());
    }
    return filters;
}

Result<> DeviceGate::attach(Mode& mode, bool in_front) {
    mode.devices_open = in_front;
    if (!mode.alive() || !has_foreground_devices(mode)) return {};
    if (!mode.running->filters)
        return fail(Code::failed, "mode '" + mode.name + "' has no device filter to exchange", "",
                    "end it with: pmosctl stop " + mode.name);
    return device::attach_filter(mode.cgroup->fd(), mode.running->filters->of(in_front));
}

Result<> DeviceGate::deny(Mode& mode) { return attach(mode, false); }
Result<> DeviceGate::allow(Mode& mode) { return attach(mode, true); }

// A number that comes back as another device's must not be found taken, or free.
Result<> DeviceGate::exchange(Mode& mode, std::shared_ptr<const policy::LaunchPlan> plan) {
    PMOS_ASSIGN(auto filters, load(*plan));
    PMOS_TRY(device::attach_filter(mode.cgroup->fd(), filters->of(mode.devices_open)));
    const auto before = std::exchange(mode.running->plan, std::move(plan));
    mode.running->filters = std::move(filters);
    if (!revoker_) return {};
    PMOS_ASSIGN(const auto id, bpf::cgroup_id(mode.cgroup->fd()));
    const auto still = numbers_in(*mode.running->plan);
    for (const auto& number : numbers_in(*before))
        if (std::ranges::find(still, number) == still.end()) revoker_->give_back(id, number);
    return mode.devices_open ? Result<>{} : take_away(mode);
}

Result<> DeviceGate::shut(Mode& mode) {
    auto denied = deny(mode);
    auto taken = take_away(mode);
    return denied ? std::move(taken) : std::move(denied);
}

Result<> DeviceGate::take_away(Mode& mode) {
    if (!mode.alive() || !has_foreground_devices(mode)) return {};
    if (!revoker_) {
        if (mode.freezes()) return {};
        return fail(Code::unsupported, "cannot take the devices of '" + mode.name + "' away",
                    why_not_);
    }
    PMOS_ASSIGN(const auto id, bpf::cgroup_id(mode.cgroup->fd()));
    for (const auto& number : numbers_in(*mode.running->plan))
        PMOS_TRY(revoker_->take_away(id, number));
    keep();
    return {};
}

// What could not be taken whole is given back to who stays in front for it, and to nobody else.
void DeviceGate::revoke(Mode& mode, Done done) {
    auto taken = take_away(mode);
    if (!taken && revoker_ && mode.foreground)
        if (const auto id = bpf::cgroup_id(mode.cgroup->fd())) give_back(mode, *id);
    done(std::move(taken));
}

void DeviceGate::give_back(const Mode& mode, std::uint64_t cgroup) {
    for (const auto& number : numbers_in(*mode.running->plan)) revoker_->give_back(cgroup, number);
}

void DeviceGate::grant(Mode& mode, Done done) {
    if (!mode.alive()) return done({});
    if (auto allowed = allow(mode); !allowed) return done(std::move(allowed));
    if (!revoker_ || !has_foreground_devices(mode)) return done({});
    const auto id = bpf::cgroup_id(mode.cgroup->fd());
    if (!id) return done(fail(Error(id.error())));
    give_back(mode, *id);
    done({});
}

void DeviceGate::forget(const Mode& mode) {
    if (!revoker_ || !mode.cgroup) return;
    if (const auto id = bpf::cgroup_id(mode.cgroup->fd())) revoker_->forget(*id);
}

// So that a pmosd that dies gives nothing back. Under another init than systemd nobody keeps it:
// the pmosd that comes takes away again. A store without room holds no switch up.
void DeviceGate::keep() {
    if (std::exchange(kept_, true)) return;
    int number = 0;
    for (const BorrowedFd fd : revoker_->descriptors())
        if (auto kept = keep_descriptor(fmt::format("{}{}", kKept, number++), fd, HungUp::stays);
            !kept)
            journal_error(kept.error());
}

}  // namespace pmos::daemon
