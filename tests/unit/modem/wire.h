// tests: a client of a mode's face that says what it likes, byte by byte.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "../peer/bytes.h"
#include "base/fd.h"
#include "fake_radio.h"
#include "runtime/modem/mode_face.h"

namespace pmos::modem {

using peer::call_bytes;
using peer::kGreeting;
using peer::number;

// "anna" of a World has a face, and somebody speaks to it.
struct Wire {
    explicit Wire(const std::string& directory) : dir(directory) {
        world.table.modes[0].id_start = ::geteuid();
        world.table.modes[0].id_count = 1;
        world.begin();
        auto made = ModeFace::make(*world.loop, world.broker, "anna", dir);
        if (made) face = std::move(*made);
    }
    bool connect() {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        (dir + "/" + kModeSocket).copy(address.sun_path, sizeof address.sun_path - 1);
        client.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        return face &&
               ::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    }
    void say(std::string_view bytes) {
        static_cast<void>(::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
    }
    // Lets the face do what it has to, and reads what it answers.
    void turn(std::uint64_t patience_us) {
        while (sd_event_run(world.loop->get(), patience_us) > 0) continue;
        char part[4096];
        for (ssize_t n = 0; (n = ::recv(client.get(), part, sizeof part, 0)) > 0;)
            heard.append(part, static_cast<std::size_t>(n));
    }

    std::string dir;
    World world;
    std::unique_ptr<ModeFace> face;
    UniqueFd client;
    std::string heard;
};

}  // namespace pmos::modem
