// fuzz: any bytes from a program of a mode to the modem's broker: behind the greeting, or in its
// place. The broker neither falls over nor does anything to another mode's call, but for an
// emergency.
#include <cstdint>
#include <cstdlib>

#include "../unit/modem/wire.h"

using namespace pmos::modem;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

std::string made_directory() {
    std::string name = "/tmp/pmos-fuzz-face-XXXXXX";
    require(::mkdtemp(name.data()) != nullptr);
    return name;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::string dir = made_directory();
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    Wire wire(dir);
    wire.world.table.modes[1].numbers = {"+1555"};
    wire.world.broker.set_table(wire.world.table);
    wire.world.ring("other", "+1555");
    wire.world.receive("text", "+2", "for anna");
    require(wire.connect());
    if (size == 0 || data[0] != 0) wire.say(kGreeting);
    wire.say(bytes);
    for (int i = 0; i < 8; ++i) {
        wire.turn(0);
        if (!wire.world.radio.waiting.empty()) wire.world.radio.answer(size % 2 == 0);
    }
    wire.client.reset();
    for (int i = 0; i < 4; ++i) wire.turn(0);
    require(wire.world.broker.view("berta")->calls.size() == 1);
    using Phase = Emergency::Phase;
    if (wire.world.broker.emergency().phase() == Phase::none)
        for (const auto& done : wire.world.radio.log) require(!done.contains("other"));
    return 0;
}
