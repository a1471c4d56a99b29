// oci: the cgroup (v2) of a container: made, limited, frozen, counted, removed. Works on without
// one where nothing needs it, and says so; never decides what is to be limited.
#include "runtime/oci/cgroup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <ranges>

#include "policy/oci_devices.h"
#include "runtime/device/filter.h"
#include "runtime/host/small_file.h"
#include "runtime/oci/systemd_helper.h"

namespace pmos::oci {
namespace {

using policy::CgroupLimit;
using policy::oci::Resources;

bool needs_filter(const Resources& resources) {
    return !resources.devices.empty() && !policy::oci::allows_every_device(resources.devices);
}

bool needs_controllers(const Resources& resources) {
    return std::ranges::any_of(resources.limits, [](const CgroupLimit& limit) {
        return !limit.optional && !controller_of(limit).empty();
    });
}

// A host, or the part of it that we see, where nobody lets us make one.
bool is_refusal(const Error& error) {
    return error.sys_errno == EACCES || error.sys_errno == EPERM || error.sys_errno == EROFS;
}

// Whether the container can do without a cgroup; what is then to be said.
Result<std::string> go_without(const CgroupRequest& request, std::string why, std::string fix) {
    if (auto limit = first_required(request.resources.limits); !limit.empty())
        return fail(Code::unsupported, fmt::format("cannot apply '{}'", limit), std::move(why),
                    fix + ", or leave the limit out");
    if (needs_filter(request.resources) && !request.rootless && !request.makes_no_device)
        return fail(Code::unsupported, "cannot apply '/linux/resources/devices'", std::move(why),
                    fix + ", or take CAP_MKNOD from the container or give it a user namespace");
    return fmt::format("the container has no cgroup: {}", why);
}

// The value that a limit's file has now, in a form that can be written to it.
std::optional<CgroupLimit> now_in(const std::string& directory, CgroupLimit limit) {
    auto text = host::read_small_file(directory + "/" + limit.file);
    if (!text) return std::nullopt;
    const auto colon = limit.value.find(':');
    if (colon != limit.value.npos) {  // "8:0 rbps=1": one device's line of many
        const auto device = limit.value.substr(0, limit.value.find(' ')) + " ";
        const auto at = ("\n" + *text).find("\n" + device);
        if (at != text->npos)
            text->erase(0, at);
        else if (limit.file == "io.max")
            text = device + "rbps=max wbps=max riops=max wiops=max";
        else
            text = device + "default";
    }
    limit.value = text->substr(0, text->find('\n'));
    if (limit.value.empty()) limit.value = "\n";  // as cpuset.cpus without one
    return limit;
}

SystemdHelper helper_of(const CgroupRecord& record) { return {record.helper, record.rootless}; }

}  // namespace

Result<ContainerCgroup> ContainerCgroup::create(const CgroupRequest& request,
                                                const std::optional<CgroupTree>& tree) {
    ContainerCgroup out;
    out.record_.rootless = request.rootless;
    const auto without = [&](std::string why, std::string fix) -> Result<ContainerCgroup> {
        PMOS_ASSIGN(auto statement, go_without(request, std::move(why), std::move(fix)));
        ContainerCgroup none;
        none.statements_.push_back(std::move(statement));
        return none;
    };
    if (request.manager == CgroupManager::none)
        return without("none is wanted", "choose a cgroup manager");
    if (!tree) return without("cgroup v2 is not mounted", "mount cgroup2 at /sys/fs/cgroup");
    if (request.manager == CgroupManager::systemd) {
        PMOS_TRY(out.start(*tree, request));
        return out;
    }
    std::string place;
    if (request.rootless && request.cgroups_path.empty()) {
        place = delegated_place(*tree, needs_controllers(request.resources));
        if (place.empty())
            return without(
                fmt::format("'{}{}' is not delegated to this user", tree->mount, tree->own),
                "start it by systemd-run --user --scope, or use the systemd manager");
        place = (place == "/" ? "" : place) + "/pmos-" + request.id;
    } else {
        PMOS_ASSIGN(place, cgroup_place(*tree, request.cgroups_path, request.id));
    }
    auto made = out.make(*tree, request, place);
    if (made) return out;
    // Who asks for a certain one is to know that there is none.
    if (!request.cgroups_path.empty() || !is_refusal(made.error()) || out.cgroup_)
        return fail(std::move(made.error()));
    return without(made.error().message(), "have a cgroup delegated");
}

Result<void> ContainerCgroup::make(const CgroupTree& tree, const CgroupRequest& request,
                                   const std::string& place) {
    record_.manager = CgroupManager::cgroupfs;
    record_.path = tree.mount + place;
    PMOS_TRY(make_levels(tree, place, made_));
    PMOS_TRY(open_directory());
    if (!made_.has(record_.path) && cgroup_->populated())
        return fail(Code::busy, fmt::format("cgroup '{}' is in use", record_.path),
                    "there are processes in it", "choose another '/linux/cgroupsPath'");
    PMOS_TRY(confine(tree, request, place));
    made_.keep();
    return {};
}

Result<void> ContainerCgroup::start(const CgroupTree& tree, const CgroupRequest& request) {
    record_.manager = CgroupManager::systemd;
    record_.helper = request.helper;
    PMOS_ASSIGN(const auto scope, scope_of(request.cgroups_path, request.id, request.rootless));
    PMOS_ASSIGN(const auto properties, scope_properties(request.resources.limits));
    record_.scope = scope.name;
    PMOS_ASSIGN(const auto place, start_scope(helper_of(record_), scope, request.pid,
                                              fmt::format("container {}", request.id), properties));
    record_.path = tree.mount + place;
    auto done = open_directory();
    if (done) done = confine(tree, request, place);
    if (done) return {};
    if (auto undone = stop_scope(helper_of(record_), scope.name); !undone)
        done.error().undo_failures.push_back(std::move(undone.error()));
    return done;
}

Result<void> ContainerCgroup::confine(const CgroupTree& tree, const CgroupRequest& request,
                                      const std::string& place) {
    PMOS_TRY(enable_controllers(tree, place, request.resources.limits));
    std::vector<CgroupLimit> before;
    if (auto limited = limit(request.resources.limits, before); !limited)
        return fail(put_back(std::move(limited.error()), before));
    if (!needs_filter(request.resources)) return {};
    auto filtered = filter_devices(request.resources.devices);
    if (filtered) return {};
    if (!request.rootless && !request.makes_no_device) return filtered;
    statements_.push_back(fmt::format("devices are not filtered, and none can be made: {}",
                                      filtered.error().message()));
    return {};
}

Result<void> ContainerCgroup::open_directory() {
    const auto slash = record_.path.rfind('/');
    PMOS_ASSIGN(auto cgroup,
                host::Cgroup::open(record_.path.substr(0, slash), record_.path.substr(slash + 1)));
    cgroup_.emplace(std::move(cgroup));
    return {};
}

Result<ContainerCgroup> ContainerCgroup::open(CgroupRecord record) {
    ContainerCgroup out;
    out.record_ = std::move(record);
    if (out.record_.manager != CgroupManager::none) PMOS_TRY(out.open_directory());
    return out;
}

Result<void> ContainerCgroup::limit(const std::vector<CgroupLimit>& limits,
                                    std::vector<CgroupLimit>& before) {
    for (const auto& one : limits) {
        auto old = now_in(record_.path, one);
        auto applied = cgroup_->apply({one});
        if (applied) {
            std::ranges::move(*applied, std::back_inserter(statements_));
            if (old) before.push_back(std::move(*old));
            continue;
        }
        Error error = std::move(applied.error());
        if (error.code == Code::unsupported) error.fix = "leave the limit out on this kernel";
        return fail(std::move(error));
    }
    return {};
}

Error ContainerCgroup::put_back(Error cause, const std::vector<CgroupLimit>& before) {
    for (const auto& was : before | std::views::reverse)
        if (auto undone = cgroup_->apply({was}); !undone)
            cause.undo_failures.push_back(std::move(undone.error()));
    return cause;
}

Result<void> ContainerCgroup::filter_devices(const std::vector<policy::oci::DeviceRule>& rules) {
    if (policy::oci::allows_every_device(rules)) return device::detach_filter(fd());
    PMOS_ASSIGN(const auto program, policy::oci::compile_devices(rules));
    PMOS_ASSIGN(const auto loaded, device::load_filter(policy::to_bytes(program)));
    return device::attach_filter(fd(), loaded.borrow());
}

Result<void> ContainerCgroup::update(const Resources& resources) {
    if (!cgroup_ && resources.limits.empty() && resources.devices.empty()) return {};
    PMOS_TRY(must_exist());
    if (const auto tree = find_cgroup_tree(); tree && record_.path.starts_with(tree->mount + "/"))
        PMOS_TRY(
            enable_controllers(*tree, record_.path.substr(tree->mount.size()), resources.limits));
    const bool of_systemd = record_.manager == CgroupManager::systemd;
    // Else systemd would undo the limits when it is reloaded.
    const auto tell_systemd = [&](const std::vector<CgroupLimit>& limits) -> Result<void> {
        if (!of_systemd) return {};
        PMOS_ASSIGN(const auto properties, scope_properties(limits));
        return set_scope(helper_of(record_), record_.scope, properties);
    };
    std::vector<CgroupLimit> before;
    auto done = limit(resources.limits, before);
    bool told = false;
    if (done) {
        done = tell_systemd(resources.limits);
        told = static_cast<bool>(done);
    }
    if (done && !resources.devices.empty()) done = filter_devices(resources.devices);
    if (done) return {};
    Error error = put_back(std::move(done.error()), before);
    if (told)
        if (auto undone = tell_systemd(before); !undone)
            error.undo_failures.push_back(std::move(undone.error()));
    return fail(std::move(error));
}

Result<void> ContainerCgroup::remove() {
    if (!cgroup_) return {};
    Result<void> stopped;
    if (record_.manager == CgroupManager::systemd)
        stopped = stop_scope(helper_of(record_), record_.scope);
    constexpr int kLimitMs = 5000;  // processes leave late: after their exit, and from the kernel
    static_cast<void>(wait_empty(kLimitMs));
    auto removed = cgroup_->remove();
    if (removed) return stopped;
    if (!stopped) removed.error().undo_failures.push_back(std::move(stopped.error()));
    return removed;
}

Result<void> ContainerCgroup::undo() {
    if (!cgroup_) return {};
    if (record_.manager == CgroupManager::systemd || made_.has(record_.path)) PMOS_TRY(remove());
    made_.undo();
    return {};
}

}  // namespace pmos::oci
