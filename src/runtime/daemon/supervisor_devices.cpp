// daemon: this phone's devices as they come and go, and whom they are granted. Opens none.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "policy/language.h"
#include "policy/profile_reader.h"
#include "runtime/daemon/hot_plug.h"
#include "runtime/daemon/mode_files.h"
#include "runtime/daemon/supervisor.h"
#include "runtime/daemon/throttle.h"
#include "runtime/device/filter.h"
#include "runtime/host/devices.h"

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

const policy::DeviceNode* node_of(const Mode& mode, const policy::HostDevice& device) {
    const auto& plan = mode.running ? mode.running->plan : mode.plan;
    if (!plan) return nullptr;
    const auto type =
        device.block ? policy::image::NodeType::block : policy::image::NodeType::character;
    const auto found = std::ranges::find_if(plan->device_nodes, [&](const auto& node) {
        return node.type == type && node.major == device.major && node.minor == device.minor &&
               !node.device_class.empty();
    });
    return found != plan->device_nodes.end() ? &*found : nullptr;
}

const char* grant_of(const Mode& mode, const policy::HostDevice& device) {
    const auto* node = node_of(mode, device);
    if (node == nullptr) return "never";
    return node->foreground ? "foreground" : "always";
}

}  // namespace

// Before the devices are read, so that none comes unseen in between. A phone without udev has
// nobody to listen to: a reload looks again.
void Supervisor::watch_devices() {
    auto subsystems = host::watched_subsystems(host::read_handset_file(paths_.handset).handset);
    if (device_watch_ && device_watch_->subsystems() == subsystems) return;
    std::unique_ptr<DeviceWatch> heard;
    if (!subsystems.empty())
        if (auto watch = DeviceWatch::make(loop_, std::move(subsystems), [this] {
                follow_at_once();
                on_devices();
            }))
            heard = std::move(*watch);
    device_watch_ = std::move(heard);
}

// A number that another device has by now is shut to who had it, whatever work on other modes the
// rest waits for.
void Supervisor::follow_at_once() {
    const auto waits = [](const auto& m) { return !m.second->jobs.idle(); };
    if (std::ranges::none_of(modes_, waits)) return;
    auto facts = read_facts();
    if (!facts) return;
    devices_unsettled_ = true;
    const auto ahead = std::make_shared<const policy::HostFacts>(std::move(*facts));
    for (auto& [name, mode] : modes_)
        if (mode->jobs.idle()) settle_devices(*mode, ahead);
}

// Only what depends on the devices is made anew; the profiles are those of the last reload, for
// nobody has said yet that what may stand in their files now is meant.
void Supervisor::on_devices() {
    // What is being started must not find its plan changed under it.
    if (!std::ranges::all_of(modes_, [](const auto& m) { return m.second->jobs.idle(); }))
        return look_at_devices_in(200ms);
    auto facts = read_facts();
    if (!facts) {
        ctx_.observer.event("devices-unsettled", "", {{"why", facts.error().message()}});
        return look_at_devices_in(1s);
    }
    const bool changed = facts->devices != facts_.devices || facts->problems != facts_.problems;
    if (!changed && !std::exchange(devices_unsettled_, false)) return;
    if (changed) {
        facts_ = std::move(*facts);
        std::string names;
        for (const auto& name : take_policy()) names += (names.empty() ? "" : " ") + name;
        ctx_.observer.event("devices-changed", "", {{"modes", names}});
    }
    for (auto& [name, mode] : modes_) settle_devices(*mode);
}

void Supervisor::look_at_devices_in(std::chrono::milliseconds delay) {
    devices_later_ = loop_.after(delay, [this] { on_devices(); });
}

// A mode that runs gains and loses what its profile grants.
void Supervisor::settle_devices(Mode& mode, std::shared_ptr<const policy::HostFacts> ahead) {
    if (!mode.alive() || !mode.running->plan) return;
    mode.jobs.add(
        [this, &mode, ahead = std::move(ahead)](Done done) {
            follow_devices(ctx_, mode, ahead ? *ahead : facts_, std::move(done));
        },
        [this, &mode](Result<> result) {
            if (result) return;
            devices_unsettled_ = true;
            tell_failure(ctx_.observer, "devices-unsettled", mode.name, result);
            look_at_devices_in(1s);
        });
}

std::vector<DeviceState> Supervisor::devices() const {
    std::vector<DeviceState> out;
    for (const auto& device : facts_.devices) {
        DeviceState state{device, {}};
        for (const auto& [name, mode] : modes_)
            state.grants.emplace_back(name, grant_of(*mode, device));
        out.push_back(std::move(state));
    }
    return out;
}

Result<std::vector<ClassGrant>> Supervisor::device_grants(const Mode& mode) const {
    const auto policy = std::ranges::find(policy_.modes, mode.name, &policy::ModePolicy::mode);
    if (policy == policy_.modes.end() || !policy->profile) return mode.disabled_error();
    const auto& profile = *policy->profile;
    std::vector<ClassGrant> out;
    for (const auto name : policy::child_keys(policy::profile_language(), "devices")) {
        ClassGrant grant{std::string(name), "none", "", {}};
        const auto key = "devices/" + grant.device_class;
        if (const auto right = profile.devices.find(grant.device_class);
            right != profile.devices.end())
            grant.right = right->second;
        // Of services, which.
        if (const auto* list = profile.source.at_path(key); list != nullptr && !list->items.empty())
            grant.right = fmt::format("{}", fmt::join(policy::texts(list), ", "));
        if (profile.source.at_path(key) != nullptr) grant.at = policy::to_text(profile.where(key));
        for (const auto& device : facts_.devices)
            if (device.device_class == name && node_of(mode, device) != nullptr)
                grant.nodes.push_back("/dev/" + device.path);
        out.push_back(std::move(grant));
    }
    return out;
}

// Its filter tells the ring of a pmosd that is gone: another takes its place, in one step. The
// switch that the other was in the middle of has not been.
void Supervisor::adopt_devices(Mode& mode) {
    mode.devices_open = read_foreground(paths_).mode == mode.name;
    if (!mode.running->plan) return;
    Result<> attached;
    if (auto filters = gate_.load(*mode.running->plan)) {
        mode.running->filters = *filters;
        attached = device::attach_filter(mode.cgroup->fd(), (*filters)->of(mode.devices_open));
    } else {
        attached = fail(std::move(filters.error()));
    }
    if (!attached)
        ctx_.observer.event("denials-lost", mode.name, {{"why", attached.error().message()}});
    const auto settled = [this, &mode](const Result<>& result) {
        tell_failure(ctx_.observer, "devices-unsettled", mode.name, result);
    };
    tell_failure(ctx_.observer, "throttle-failed", mode.name,
                 mode.devices_open ? unthrottle_mode(ctx_, mode) : throttle_mode(ctx_, mode));
    if (mode.devices_open) return gate_.grant(mode, settled);
    settled(gate_.shut(mode));
}

}  // namespace pmos::daemon
