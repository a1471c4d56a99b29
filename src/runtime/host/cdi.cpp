// host: which nodes a device of the Container Device Interface stands for on this phone. Looks
// only.
#include "runtime/host/cdi.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <ranges>

#include "runtime/host/small_file.h"

namespace pmos::host {
namespace fs = std::filesystem;

CdiSpecs CdiSpecs::read(const std::vector<std::string>& directories) {
    CdiSpecs found;
    for (const auto& directory : directories) {
        std::vector<fs::path> files;
        std::error_code gone;
        for (fs::directory_iterator at(directory, gone), end; !gone && at != end;
             at.increment(gone))
            files.push_back(at->path());
        std::ranges::sort(files);
        for (const auto& file : files) {
            const std::string name = file.string(), extension = file.extension().string();
            if (extension == ".yaml" || extension == ".yml")
                found.problems_.push_back(
                    fmt::format("{}: it is YAML, which is not read: write it as JSON", name));
            if (extension != ".json") continue;
            std::vector<policy::Diagnostic> faults;
            const auto bytes = read_small_file(name);
            auto spec = bytes ? policy::read_cdi(name, *bytes, faults) : std::nullopt;
            if (spec) found.specs_.push_back(std::move(*spec));
            if (!bytes) found.problems_.push_back(fmt::format("{}: it cannot be read", name));
            for (const auto& fault : faults)
                found.problems_.push_back(
                    fmt::format("{}: {}", policy::to_text(fault.at), fault.message));
        }
    }
    std::ranges::reverse(found.specs_);
    return found;
}

Result<std::vector<std::string>> CdiSpecs::nodes(const policy::CdiName& name) const {
    std::vector<std::string> others;
    for (const auto& spec : specs_) {
        if (spec.kind != name.kind) continue;
        if (const auto it = spec.devices.find(name.device); it != spec.devices.end())
            return it->second;
        for (const auto& device : spec.devices | std::views::keys)
            others.push_back(fmt::format("{}={}", spec.kind, device));
    }
    return fail(Code::not_found,
                fmt::format("no CDI specification has '{}={}'", name.kind, name.device),
                others.empty() ? fmt::format("there is none of kind '{}'", name.kind)
                               : fmt::format("there is: {}", fmt::join(others, ", ")));
}

}  // namespace pmos::host
