// audio: pmos-audio-port's main: a mode's loudspeaker and microphone, as devices in the mode's own
// PipeWire. Runs as the mode, holds two rings of frames and reaches nothing of the phone: what
// flows in them is pmos-audio's to say.
#include <fmt/format.h>
#include <systemd/sd-journal.h>

#include <charconv>
#include <csignal>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/audio/port.h"

namespace pmos::audio {
namespace {

struct Wires {
    Direction direction;
    int ring, line, told;
};

// DIRECTION=RING,LINE,TOLD: descriptors that it was given.
std::optional<Wires> parse(std::string_view text) {
    Wires wires{};
    if (text.starts_with("playback="))
        wires.direction = Direction::playback;
    else if (text.starts_with("capture="))
        wires.direction = Direction::capture;
    else
        return std::nullopt;
    const char* at = text.data() + text.find('=') + 1;
    const char* const end = text.data() + text.size();
    for (int* fd : {&wires.ring, &wires.line, &wires.told}) {
        const auto [next, error] = std::from_chars(at, end, *fd);
        if (error != std::errc{} || *fd < 3) return std::nullopt;
        at = next != end && *next == ',' ? next + 1 : next;
    }
    return at == end ? std::optional(wires) : std::nullopt;
}

Result<> serve(const std::vector<Wires>& all) {
    PMOS_ASSIGN(const auto connection, Connection::make());
    std::vector<std::unique_ptr<Port>> ports;
    for (const auto& wires : all) {
        PMOS_ASSIGN(auto ring, RingMemory::map(UniqueFd(wires.ring)));
        PMOS_ASSIGN(auto port, Port::make(*connection, wires.direction, std::move(ring),
                                          UniqueFd(wires.line), UniqueFd(wires.told)));
        ports.push_back(std::move(port));
    }
    return connection->run();
}

}  // namespace
}  // namespace pmos::audio

int main(int argc, char** argv) {
    using namespace pmos::audio;
    std::vector<Wires> all;
    for (int i = 1; i < argc; ++i) {
        const auto wires = parse(argv[i]);
        if (!wires) return fmt::print(stderr, "pmos-audio-port is pmos-audio's to start\n"), 2;
        all.push_back(*wires);
    }
    const auto served = serve(all);
    if (served) return 0;
    sd_journal_print(LOG_ERR, "%s", served.error().message().c_str());
    return 1;
}
