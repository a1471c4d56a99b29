// fuzz: any bytes from a program of a mode to the notifications' broker: behind the greeting, or in
// its place. The broker neither falls over, keeps more than it may, nor lets out or touches what is
// another mode's.
#include <cstdint>
#include <cstdlib>

#include "../unit/notify/wire.h"

using namespace pmos::notify;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

std::string made_directory() {
    std::string name = "/tmp/pmos-fuzz-notify-XXXXXX";
    require(::mkdtemp(name.data()) != nullptr);
    return name;
}

bool is_bounded(const Note& note) {
    return note.program.size() <= 64 && note.summary.size() <= 256 && note.body.size() <= 2048 &&
           note.actions.size() <= 8;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::string dir = made_directory();
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    Wire wire(dir);
    require(wire.say("berta", "what berta says") == 1);
    require(wire.connect());
    if (size == 0 || data[0] != 0) wire.say_bytes(pmos::peer::kGreeting);
    wire.say_bytes(bytes);
    for (int i = 0; i < 8; ++i) wire.turn(0);
    // A client may send it itself, and hear of it: not by the name of the mode, then.
    require(bytes.find("berta says") != std::string::npos ||
            wire.heard.find("berta says") == std::string::npos);
    wire.client.reset();
    for (int i = 0; i < 4; ++i) wire.turn(0);
    for (const auto& use : wire.broker.uses()) require(!use.wants_awake && use.count <= 64);
    for (const auto& shown : wire.broker.shown_to_host()) {
        if (shown.mode == "berta") require(shown.count == 1 && shown.notes == nullptr);
        if (shown.notes == nullptr) continue;
        for (const auto& note : shown.notes->all()) require(is_bounded(note));
    }
    return 0;
}
