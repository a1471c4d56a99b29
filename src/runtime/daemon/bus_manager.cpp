// daemon: the Manager object. Translates, decides nothing.
#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "base/text.h"
#include "policy/bundle.h"
#include "runtime/daemon/bus.h"
#include "runtime/daemon/bus_names.h"

namespace pmos::daemon {
namespace {

Supervisor& supervisor_of(void* userdata) { return static_cast<Bus*>(userdata)->supervisor(); }

int get_mode(sd_bus_message* message, void* userdata, sd_bus_error* error) {
    const char* name = nullptr;
    if (const int r = sd_bus_message_read(message, "s", &name); r < 0) return r;
    const auto mode = supervisor_of(userdata).find(name);
    if (!mode) return set_error(error, mode.error());
    return sd_bus_reply_method_return(message, "o", mode_path((*mode)->name).c_str());
}

int switch_to(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char* name = nullptr;
    if (const int r = sd_bus_message_read(message, "s", &name); r < 0) return r;
    supervisor_of(userdata).switch_to(
        name, [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int screen_locked(sd_bus_message* message, void* userdata, sd_bus_error*) {
    int locked = 0;
    if (const int r = sd_bus_message_read(message, "b", &locked); r < 0) return r;
    supervisor_of(userdata).screen_locked(
        locked != 0, [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int before_sleep(sd_bus_message* message, void* userdata, sd_bus_error*) {
    supervisor_of(userdata).before_sleep(
        [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int stop_all(sd_bus_message* message, void* userdata, sd_bus_error*) {
    supervisor_of(userdata).stop_all(
        [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int reload(sd_bus_message* message, void* userdata, sd_bus_error*) {
    supervisor_of(userdata).reload(
        [call = Call(message)](Result<std::vector<std::string>> changed) {
            if (!changed) return call.fail(changed.error());
            sd_bus_message* reply = nullptr;
            int r = sd_bus_message_new_method_return(call.get(), &reply);
            if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "s");
            for (const auto& name : *changed)
                if (r >= 0) r = sd_bus_message_append(reply, "s", name.c_str());
            if (r >= 0) r = sd_bus_message_close_container(reply);
            if (r >= 0) sd_bus_send(nullptr, reply, nullptr);
            sd_bus_message_unref(reply);
        });
    return 1;
}

int install_policy(sd_bus_message* message, void* userdata, sd_bus_error* error) {
    int fd = -1;
    if (const int r = sd_bus_message_read(message, "h", &fd); r < 0) return r;
    UniqueFd own(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!own) return sd_bus_error_set_errno(error, errno);
    supervisor_of(userdata).install_policy(
        std::move(own), [call = Call(message)](Result<std::string> label) {
            if (!label) return call.fail(label.error());
            sd_bus_reply_method_return(call.get(), "s", label->c_str());
        });
    return 1;
}

int confirm_policy(sd_bus_message* message, void* userdata, sd_bus_error*) {
    supervisor_of(userdata).confirm_policy(
        [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int reject_policy(sd_bus_message* message, void* userdata, sd_bus_error*) {
    supervisor_of(userdata).reject_policy(
        [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int policy_status(sd_bus_message* message, void* userdata, sd_bus_error*) {
    sd_bus_message* reply = nullptr;
    int r = sd_bus_message_new_method_return(message, &reply);
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "{ss}");
    for (const auto& [key, value] : supervisor_of(userdata).policy_status())
        if (r >= 0) r = sd_bus_message_append(reply, "{ss}", key.c_str(), value.c_str());
    if (r >= 0) r = sd_bus_message_close_container(reply);
    if (r >= 0) r = sd_bus_send(nullptr, reply, nullptr);
    sd_bus_message_unref(reply);
    return r;
}

int append(sd_bus_message* reply, const PolicyFile& file) {
    int r = sd_bus_message_open_container(reply, 'r', "says");
    // A name on disk need not be text.
    if (r >= 0) r = sd_bus_message_append(reply, "s", printable(file.path).c_str());
    if (r >= 0) r = sd_bus_message_append_array(reply, 'y', file.bytes.data(), file.bytes.size());
    if (r >= 0) r = sd_bus_message_append(reply, "s", printable(file.error).c_str());
    if (r >= 0) r = sd_bus_message_close_container(reply);
    return r;
}

int profiles(sd_bus_message* message, void* userdata, sd_bus_error* error) {
    const auto files = supervisor_of(userdata).profiles();
    if (!files) return set_error(error, files.error());
    std::size_t size = 0;
    for (const auto& file : *files) size += file.bytes.size();
    // What a bundle may have, and well below what a bus daemon passes on.
    if (size > policy::kMaxBundle)
        return set_error(error, fail(Code::unsupported, "the profiles are too large to hand over",
                                     fmt::format("{} bytes in all", size))
                                    .error());
    sd_bus_message* reply = nullptr;
    int r = sd_bus_message_new_method_return(message, &reply);
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "(says)");
    for (const auto& file : *files)
        if (r >= 0) r = append(reply, file);
    if (r >= 0) r = sd_bus_message_close_container(reply);
    if (r >= 0) r = sd_bus_send(nullptr, reply, nullptr);
    sd_bus_message_unref(reply);
    return r;
}

int doctor(sd_bus_message* message, void* userdata, sd_bus_error*) {
    sd_bus_message* reply = nullptr;
    int r = sd_bus_message_new_method_return(message, &reply);
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "(ssss)");
    for (const auto& finding : supervisor_of(userdata).doctor())
        if (r >= 0)
            r = sd_bus_message_append(reply, "(ssss)", finding.severity.c_str(),
                                      finding.subject.c_str(), finding.message.c_str(),
                                      finding.hint.c_str());
    if (r >= 0) r = sd_bus_message_close_container(reply);
    if (r >= 0) r = sd_bus_send(nullptr, reply, nullptr);
    sd_bus_message_unref(reply);
    return r;
}

int append(sd_bus_message* reply, const DeviceState& state);
int append(sd_bus_message* reply, const ClassGrant& grant);
int append(sd_bus_message* reply, const StepTime& step);

template <class Item>
int reply_with(sd_bus_message* message, const char* type, const std::vector<Item>& items) {
    sd_bus_message* reply = nullptr;
    int r = sd_bus_message_new_method_return(message, &reply);
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', type);
    for (const auto& item : items)
        if (r >= 0) r = append(reply, item);
    if (r >= 0) r = sd_bus_message_close_container(reply);
    if (r >= 0) r = sd_bus_send(nullptr, reply, nullptr);
    sd_bus_message_unref(reply);
    return r;
}

int append(sd_bus_message* reply, const DeviceState& state) {
    const auto& d = state.device;
    int r = sd_bus_message_open_container(reply, 'r', "sssa{ss}");
    if (r >= 0)
        r = sd_bus_message_append(reply, "sss", d.device_class.c_str(), d.right.c_str(),
                                  printable("/dev/" + d.path).c_str());
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "{ss}");
    for (const auto& [mode, grant] : state.grants)
        if (r >= 0) r = sd_bus_message_append(reply, "{ss}", mode.c_str(), grant.c_str());
    if (r >= 0) r = sd_bus_message_close_container(reply);
    if (r >= 0) r = sd_bus_message_close_container(reply);
    return r;
}

int append(sd_bus_message* reply, const StepTime& step) {
    return sd_bus_message_append(reply, "(st)", step.name,
                                 static_cast<std::uint64_t>(step.took.count()));
}

int last_switch(sd_bus_message* message, void* userdata, sd_bus_error*) {
    return reply_with(message, "(st)", supervisor_of(userdata).last_switch());
}

int devices(sd_bus_message* message, void* userdata, sd_bus_error*) {
    return reply_with(message, "(sssa{ss})", supervisor_of(userdata).devices());
}

int append(sd_bus_message* reply, const ClassGrant& grant) {
    int r = sd_bus_message_open_container(reply, 'r', "sssas");
    if (r >= 0)
        r = sd_bus_message_append(reply, "sss", grant.device_class.c_str(), grant.right.c_str(),
                                  printable(grant.at).c_str());
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "s");
    for (const auto& node : grant.nodes)
        if (r >= 0) r = sd_bus_message_append(reply, "s", printable(node).c_str());
    if (r >= 0) r = sd_bus_message_close_container(reply);
    if (r >= 0) r = sd_bus_message_close_container(reply);
    return r;
}

int device_grants(sd_bus_message* message, void* userdata, sd_bus_error* error) {
    const char* name = nullptr;
    if (const int r = sd_bus_message_read(message, "s", &name); r < 0) return r;
    auto& supervisor = supervisor_of(userdata);
    const auto mode = supervisor.find(name);
    if (!mode) return set_error(error, mode.error());
    const auto grants = supervisor.device_grants(**mode);
    if (!grants) return set_error(error, grants.error());
    return reply_with(message, "(sssas)", *grants);
}

int get_cgroup(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
               void* userdata, sd_bus_error*) {
    return sd_bus_message_append(reply, "s", supervisor_of(userdata).cgroups().c_str());
}

int get_version(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*,
                sd_bus_error*) {
    return sd_bus_message_append(reply, "s", PMOS_VERSION);
}

int get_foreground(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
                   void* userdata, sd_bus_error*) {
    return sd_bus_message_append(reply, "s", supervisor_of(userdata).foreground().c_str());
}

// Who may call is the bus policy's decision (org.pmos.Runtime1.conf) and the private socket's.
constexpr sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_NAMES("GetMode", "s", SD_BUS_PARAM(name), "o", SD_BUS_PARAM(path), get_mode,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("Switch", "s", SD_BUS_PARAM(name), "", , switch_to,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("LastSwitch", "", , "a(st)", SD_BUS_PARAM(steps), last_switch,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("ScreenLocked", "b", SD_BUS_PARAM(locked), "", , screen_locked,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("BeforeSleep", "", "", before_sleep, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("StopAll", "", "", stop_all, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("Reload", "", , "as", SD_BUS_PARAM(changed), reload,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("InstallPolicy", "h", SD_BUS_PARAM(bundle), "s", SD_BUS_PARAM(label),
                             install_policy, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ConfirmPolicy", "", "", confirm_policy, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("RejectPolicy", "", "", reject_policy, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("PolicyStatus", "", , "a{ss}", SD_BUS_PARAM(status), policy_status,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("Profiles", "", , "a(says)", SD_BUS_PARAM(files), profiles,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("Doctor", "", , "a(ssss)", SD_BUS_PARAM(findings), doctor,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("Devices", "", , "a(sssa{ss})", SD_BUS_PARAM(devices), devices,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("DeviceGrants", "s", SD_BUS_PARAM(mode), "a(sssas)",
                             SD_BUS_PARAM(classes), device_grants, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("Cgroup", "s", get_cgroup, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Foreground", "s", get_foreground, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_SIGNAL_WITH_NAMES(
        "Event", "tssa{ss}",
        SD_BUS_PARAM(time) SD_BUS_PARAM(kind) SD_BUS_PARAM(mode) SD_BUS_PARAM(details), 0),
    SD_BUS_VTABLE_END,
};

}  // namespace

const sd_bus_vtable* manager_vtable() { return kVtable; }

}  // namespace pmos::daemon
