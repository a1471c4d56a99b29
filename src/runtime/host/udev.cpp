// host: the devices of this phone as udev knows them. Looks only; never opens a device.
#include "runtime/host/udev.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <systemd/sd-device.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>

namespace pmos::host {
namespace {

struct Unref {
    void operator()(sd_device_enumerator* e) const noexcept { sd_device_enumerator_unref(e); }
    void operator()(sd_device* d) const noexcept { sd_device_unref(d); }
};

std::string text_of(sd_device* device, int (*get)(sd_device*, const char**)) {
    const char* text = nullptr;
    return get(device, &text) < 0 || text == nullptr ? "" : text;
}

// The first that has an answer, of the device and all it hangs on.
template <class Ask>
std::string upwards(sd_device* device, const Ask& ask) {
    for (sd_device* at = device; at != nullptr;) {
        if (std::string answer = ask(at); !answer.empty()) return answer;
        if (sd_device_get_parent(at, &at) < 0) return "";
    }
    return "";
}

// The nearest one's value stays.
void read_properties(sd_device* device, std::map<std::string, std::string>& properties) {
    for (sd_device* at = device; at != nullptr;) {
        const char* value = nullptr;
        for (const char* name = sd_device_get_property_first(at, &value); name != nullptr;
             name = sd_device_get_property_next(at, &value))
            if (at == device || std::string_view(name).starts_with("ID_"))
                properties.emplace(name, value == nullptr ? "" : value);
        if (sd_device_get_parent(at, &at) < 0) return;
    }
}

std::string either(const UdevDevice& device, const char* name, const char* other) {
    auto found = device.properties.find(name);
    if (found == device.properties.end()) found = device.properties.find(other);
    return found == device.properties.end() ? "" : found->second;
}

// The node must be that device: one that went leaves its name to whatever comes next.
bool is_there(const UdevDevice& device) {
    struct stat st {};
    return ::stat(device.devnode.c_str(), &st) == 0 &&
           (device.block ? S_ISBLK(st.st_mode) : S_ISCHR(st.st_mode)) &&
           ::major(st.st_rdev) == device.major && ::minor(st.st_rdev) == device.minor;
}

std::optional<UdevDevice> read_device(sd_device* device) {
    UdevDevice out;
    out.subsystem = text_of(device, sd_device_get_subsystem);
    out.sysname = text_of(device, sd_device_get_sysname);
    out.devtype = text_of(device, sd_device_get_devtype);
    out.devnode = text_of(device, sd_device_get_devname);
    out.block = out.subsystem == "block";
    dev_t numbers{};
    if (sd_device_get_devnum(device, &numbers) < 0) return std::nullopt;
    out.major = ::major(numbers);
    out.minor = ::minor(numbers);
    if (!out.devnode.starts_with("/dev/") || !is_there(out)) return std::nullopt;
    read_properties(device, out.properties);
    out.driver = upwards(device, [](sd_device* at) { return text_of(at, sd_device_get_driver); });
    out.vendor = either(out, "ID_VENDOR_FROM_DATABASE", "ID_VENDOR");
    out.product = either(out, "ID_MODEL_FROM_DATABASE", "ID_MODEL");
    return out;
}

}  // namespace

Result<std::vector<UdevDevice>> list_devices(const std::set<std::string>& subsystems) {
    std::vector<UdevDevice> found;
    if (subsystems.empty()) return found;  // no filter would be all of them
    sd_device_enumerator* made = nullptr;
    if (const int r = sd_device_enumerator_new(&made); r < 0)
        return fail(errno_error(-r, "cannot list the devices"));
    const std::unique_ptr<sd_device_enumerator, Unref> list(made);
    int r = sd_device_enumerator_allow_uninitialized(made);
    for (const auto& subsystem : subsystems)
        if (r >= 0) r = sd_device_enumerator_add_match_subsystem(made, subsystem.c_str(), 1);
    if (r < 0) return fail(errno_error(-r, "cannot choose which devices to list"));
    for (sd_device* device = sd_device_enumerator_get_device_first(made); device != nullptr;
         device = sd_device_enumerator_get_device_next(made))
        if (auto read = read_device(device)) found.push_back(std::move(*read));
    std::ranges::sort(found, [](const UdevDevice& a, const UdevDevice& b) {
        return std::tie(a.subsystem, a.major, a.minor) < std::tie(b.subsystem, b.major, b.minor);
    });
    return found;
}

Result<UdevDevice> find_device(bool block, std::uint32_t major, std::uint32_t minor) {
    sd_device* made = nullptr;
    if (sd_device_new_from_devnum(&made, block ? 'b' : 'c', ::makedev(major, minor)) < 0)
        return fail(Code::not_found, "udev knows no such device");
    const std::unique_ptr<sd_device, Unref> device(made);
    auto read = read_device(made);
    if (!read) return fail(Code::not_found, "udev knows no such device");
    return std::move(*read);
}

}  // namespace pmos::host
