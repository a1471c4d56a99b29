// host: which device nodes this phone has for which class. Looks only; never opens a device.
#include "runtime/host/devices.h"

#include <fmt/core.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

#include "runtime/host/facts.h"
#include "runtime/host/small_file.h"

namespace pmos::host {
namespace {

namespace fs = std::filesystem;

struct NamedClass {
    std::string_view device_class, right;
};
// Classes that handset.json may name. The GPU is found by itself.
constexpr std::array kNamed{NamedClass{"modem", "port"}};

std::unexpected<Error> bad(std::string what) {
    return fail(Code::usage, std::move(what), "",
                R"(write {"devices":{"modem":["/dev/ttyUSB2"]}})");
}

Result<nlohmann::json> parse_object(const std::string& text) {
    auto json = nlohmann::json::parse(text, nullptr, false, true);
    if (json.is_discarded()) return bad("it is not JSON");
    if (!json.is_object()) return bad("it is not an object");
    return json;
}

Result<> add(const NamedClass& named, const std::string& path, NamedDevices& found) {
    if (!path.starts_with("/dev/")) return bad(fmt::format("'{}' is not below /dev", path));
    const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
    if (!real && errno == ENOENT) {
        found.missing.push_back(path);
        return {};
    }
    if (!real) return fail(errno_error(errno, fmt::format("no device '{}'", path)));
    struct stat st {};
    if (::stat(real.get(), &st) != 0)
        return fail(errno_error(errno, fmt::format("cannot look at '{}'", path)));
    const std::string_view node(real.get());
    if (!node.starts_with("/dev/") || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
        return bad(fmt::format("'{}' is not a device", path));
    policy::HostDevice device;
    device.device_class = named.device_class;
    device.right = named.right;
    device.path = node.substr(std::string_view("/dev/").size());
    device.block = S_ISBLK(st.st_mode);
    device.major = ::major(st.st_rdev);
    device.minor = ::minor(st.st_rdev);
    found.devices.push_back(std::move(device));
    return {};
}

}  // namespace

std::vector<policy::HostDevice> gpu_devices(const std::string& sys_class_drm) {
    std::vector<policy::HostDevice> found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(sys_class_drm, ignored)) {
        const std::string name = entry.path().filename();
        if (!name.starts_with("renderD")) continue;
        policy::HostDevice device;
        device.device_class = "gpu";
        device.right = "render";
        device.path = "dri/" + name;
        const auto numbers = read_small_file(entry.path() / "dev").value_or("");
        if (std::sscanf(numbers.c_str(), "%u:%u", &device.major, &device.minor) == 2)
            found.push_back(std::move(device));
    }
    std::ranges::sort(found, {}, &policy::HostDevice::minor);
    return found;
}

Result<std::string> parse_model(const std::string& text) {
    PMOS_ASSIGN(const auto json, parse_object(text));
    const auto model = json.find("model");
    if (model == json.end()) return std::string();
    if (!model->is_string()) return bad("'model' is not a text");
    return model->get<std::string>();
}

Result<NamedDevices> parse_handset(const std::string& text) {
    PMOS_ASSIGN(const auto json, parse_object(text));
    NamedDevices found;
    for (const auto& [key, value] : json.items())
        if (key != "devices" && key != "model") return bad(fmt::format("unknown key '{}'", key));
    PMOS_TRY(parse_model(text));
    if (!json.contains("devices")) return found;
    const auto& devices = json.find("devices").value();
    if (!devices.is_object()) return bad("'devices' is not an object");
    for (const auto& [name, paths] : devices.items()) {
        const auto named =
            std::ranges::find(kNamed, std::string_view(name), &NamedClass::device_class);
        if (named == kNamed.end()) return bad(fmt::format("unknown device class '{}'", name));
        if (!paths.is_array()) return bad(fmt::format("'devices/{}' is not a list", name));
        for (const auto& path : paths) {
            if (!path.is_string()) return bad(fmt::format("'devices/{}' holds no text", name));
            PMOS_TRY(add(*named, path.get_ref<const std::string&>(), found));
        }
    }
    return found;
}

}  // namespace pmos::host
