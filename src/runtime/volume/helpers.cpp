// volume: the devices that libcryptsetup makes beside a mapping while it re-encrypts it; what tells
// that somebody is at it, or was killed. Only looks.
#include "runtime/volume/helpers.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

namespace pmos::volume {
namespace {

// As the kernel has them: udev is late with its nodes, with their end as well.
std::vector<std::string> mappings() {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/sys/block", ignored)) {
        std::ifstream stream(entry.path() / "dm" / "name");
        if (std::string name; std::getline(stream, name)) names.push_back(std::move(name));
    }
    return names;
}

}  // namespace

std::string overlay_of(std::string_view dm_name) { return std::string(dm_name) + "-overlay"; }

std::vector<std::string> hotzones_of(std::string_view dm_name) {
    const std::string name(dm_name);
    return {name + "-hotzone-forward", name + "-hotzone-backward"};
}

std::vector<std::string> helpers_of(std::string_view dm_name) {
    std::vector<std::string> names = hotzones_of(dm_name);
    names.insert(names.begin(), overlay_of(dm_name));
    return names;
}

bool has_helpers(std::string_view dm_name) {
    const auto helpers = helpers_of(dm_name);
    return std::ranges::any_of(mappings(), [&](const std::string& name) {
        return std::ranges::count(helpers, name) != 0;
    });
}

std::optional<pid_t> maker_of(std::string_view dm_name) {
    constexpr std::string_view kBegin = "temporary-cryptsetup-";
    if (!dm_name.starts_with(kBegin)) return std::nullopt;
    const char* begin = dm_name.data() + kBegin.size();
    const char* end = dm_name.data() + dm_name.size();
    pid_t pid = 0;
    const auto [rest, error] = std::from_chars(begin, end, pid);
    if (error != std::errc() || pid <= 0 || (rest != end && *rest != '-')) return std::nullopt;
    return pid;
}

bool has_temporary_crypt() {
    return std::ranges::any_of(mappings(),
                               [](const std::string& name) { return maker_of(name).has_value(); });
}

}  // namespace pmos::volume
