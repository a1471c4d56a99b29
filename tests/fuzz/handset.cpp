// fuzz: any bytes as handset.json. Whatever they are: no crash, every fault has a place, and no
// class with a fault has a device.
#include "policy/handset.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

using namespace pmos::policy;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    std::vector<Diagnostic> faults;
    const auto handset = read_handset("fuzz.json", bytes, faults);
    for (const auto& d : faults) {
        require(!rule_id(d.rule).empty() && !d.message.empty() && !d.at.file.empty());
        require(!to_text(d).empty());
        source_excerpt(bytes, d.at);
    }
    for (const auto& match : handset.matches) {
        require(!match.right.empty());
        require(match.path.empty() != match.subsystem.empty());
        require(match.path.empty() || match.path.starts_with("/dev/"));
        const auto own = "/devices/" + match.device_class;
        require(std::ranges::none_of(faults, [&](const Diagnostic& d) {
            return d.at.pointer == own || d.at.pointer.starts_with(own + "/");
        }));
    }
    return 0;
}
