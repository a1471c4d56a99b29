// cli: the note, after an unlock, that a volume's re-encryption was cut short and how it goes on.
#include "cli/reencryption_note.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <string_view>

#include "cli/output.h"
#include "runtime/daemon/bus_names.h"

namespace pmos::cli {

Result<> ReencryptionNote::listen(BusClient& bus, const std::string& mode) {
    mode_ = mode;
    return bus.listen(bus::kManagerPath, bus::kManagerInterface, "Event", [this](const Message& m) {
        std::uint64_t when = 0;
        const char *event = nullptr, *about = nullptr;
        if (read(m, "tss", &when, &event, &about) && about == mode_ &&
            event == std::string_view("volume-reencrypt-interrupted"))
            interrupted_ = true;
    });
}

void ReencryptionNote::print() const {
    if (!interrupted_) return;
    const std::string note = fmt::format(
        "warning: a volume of '{}' has two keys: its re-encryption was cut short\n"
        "hint: pmosctl volume reencrypt {} goes on with it\n",
        printable(mode_), printable(mode_));
    std::fputs(note.c_str(), stderr);
}

}  // namespace pmos::cli
