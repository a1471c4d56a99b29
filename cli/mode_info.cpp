// cli: a mode's properties as pmosd shows them. Never prints.
#include "cli/mode_info.h"

#include <algorithm>
#include <ctime>
#include <string_view>

#include "runtime/daemon/bus_names.h"

namespace pmos::cli {
namespace {

Result<> read_text(const Message& m, std::string& into) {
    const char* text = nullptr;
    PMOS_TRY(read(m, "v", "s", &text));
    into = text;
    return {};
}

Result<> read_flag(const Message& m, bool& into) {
    int value = 0;
    PMOS_TRY(read(m, "v", "b", &value));
    into = value != 0;
    return {};
}

Result<> read_property(const Message& m, std::string_view name, ModeInfo& info) {
    if (name == "Name") return read_text(m, info.name);
    if (name == "File") return read_text(m, info.file);
    if (name == "PlanDigest") return read_text(m, info.plan_digest);
    if (name == "State") return read_text(m, info.state);
    if (name == "Reason") return read_text(m, info.reason);
    if (name == "Foreground") return read_flag(m, info.foreground);
    if (name == "Locked") return read_flag(m, info.locked);
    if (name == "LockedBy") return read_text(m, info.locked_by);
    if (name == "Suspended") return read_flag(m, info.suspended);
    if (name == "Provisioned") return read_flag(m, info.provisioned);
    if (name == "Autostart") return read_flag(m, info.autostart);
    if (name == "Recording") return read_flag(m, info.recording);
    if (name == "OnCall") return read_flag(m, info.on_call);
    if (name == "UsesMicrophone") return read_flag(m, info.uses_microphone);
    if (name == "UsesLoudspeaker") return read_flag(m, info.uses_loudspeaker);
    if (name == "Notifications") return read(m, "v", "u", &info.notifications);
    if (name == "NeedsSecret") return read_flag(m, info.needs_secret);
    if (name == "Failures") return read(m, "v", "u", &info.failures);
    if (name == "RetryAfter") return read(m, "v", "t", &info.retry_after_s);
    if (name == "Pid") return read(m, "v", "u", &info.pid);
    if (name == "StartedAt") return read(m, "v", "t", &info.started_at_us);
    if (name == "FingerprintUntil") return read(m, "v", "t", &info.fingerprint_until_us);
    if (name == "ExitStatus") return read(m, "v", "i", &info.exit_status);
    const int r = sd_bus_message_skip(m.get(), "v");  // of a newer pmosd
    if (r < 0) return fail(bus_errno(r, "cannot read pmosd's answer"));
    return {};
}

Result<int> enter(const Message& m, char type, const char* contents) {
    const int r = sd_bus_message_enter_container(m.get(), type, contents);
    if (r < 0) return fail(bus_errno(r, "cannot read pmosd's answer"));
    return r;
}

Result<> leave(const Message& m) {
    const int r = sd_bus_message_exit_container(m.get());
    if (r < 0) return fail(bus_errno(r, "cannot read pmosd's answer"));
    return {};
}

// a{sv}
Result<> read_properties(const Message& m, ModeInfo& info) {
    PMOS_TRY(enter(m, 'a', "{sv}"));
    for (;;) {
        PMOS_ASSIGN(const int more, enter(m, 'e', "sv"));
        if (more == 0) break;
        PMOS_ASSIGN(const std::string name, read_string(m));
        PMOS_TRY(read_property(m, name, info));
        PMOS_TRY(leave(m));
    }
    return leave(m);
}

// a{sa{sv}}: true when one of the interfaces is a mode's
Result<bool> read_interfaces(const Message& m, ModeInfo& info) {
    bool found = false;
    PMOS_TRY(enter(m, 'a', "{sa{sv}}"));
    for (;;) {
        PMOS_ASSIGN(const int more, enter(m, 'e', "sa{sv}"));
        if (more == 0) break;
        PMOS_ASSIGN(const std::string interface, read_string(m));
        if (interface == bus::kModeInterface) {
            PMOS_TRY(read_properties(m, info));
            found = true;
        } else if (const int r = sd_bus_message_skip(m.get(), "a{sv}"); r < 0) {
            return fail(bus_errno(r, "cannot read pmosd's answer"));
        }
        PMOS_TRY(leave(m));
    }
    PMOS_TRY(leave(m));
    return found;
}

}  // namespace

Result<std::vector<ModeInfo>> read_modes(BusClient& bus) {
    PMOS_ASSIGN(const auto m, bus.call({bus::kManagerPath, "org.freedesktop.DBus.ObjectManager"},
                                       "GetManagedObjects"));
    std::vector<ModeInfo> modes;
    PMOS_TRY(enter(m, 'a', "{oa{sa{sv}}}"));
    for (;;) {
        PMOS_ASSIGN(const int more, enter(m, 'e', "oa{sa{sv}}"));
        if (more == 0) break;
        const char* path = nullptr;
        PMOS_TRY(read(m, "o", &path));
        ModeInfo info;
        info.name = mode_of_path(path);
        PMOS_ASSIGN(const bool is_mode, read_interfaces(m, info));
        if (is_mode) modes.push_back(std::move(info));
        PMOS_TRY(leave(m));
    }
    std::ranges::sort(modes, {}, &ModeInfo::name);
    return modes;
}

Result<ModeInfo> read_mode(BusClient& bus, const std::string& mode) {
    PMOS_ASSIGN(const auto m, bus.call({mode_address(mode).path, "org.freedesktop.DBus.Properties"},
                                       "GetAll", "s", bus::kModeInterface));
    ModeInfo info;
    info.name = mode;
    PMOS_TRY(read_properties(m, info));
    return info;
}

std::uint64_t boottime_us() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace pmos::cli
