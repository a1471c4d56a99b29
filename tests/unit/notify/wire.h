// tests: "anna" of a World has a face, and somebody speaks to it, byte by byte or by sd-bus.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "../peer/bytes.h"
#include "base/fd.h"
#include "runtime/event/bus_call.h"
#include "runtime/notify/mode_face.h"
#include "world.h"

namespace pmos::notify {

struct Wire : World {
    explicit Wire(const std::string& directory) : dir(directory) {
        for (auto& mode : table.modes) mode.id_start = ::geteuid();
        for (auto& mode : table.modes) mode.id_count = 1;
        begin();
        auto made = ModeFace::make(*loop, broker, "anna", dir);
        if (made) face = std::move(*made);
    }
    UniqueFd connected() const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        (dir + "/" + kModeSocket).copy(address.sun_path, sizeof address.sun_path - 1);
        UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (!face ||
            ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            fd.reset();
        return fd;
    }
    bool connect() {
        client = connected();
        return client.get() >= 0;
    }
    void say_bytes(std::string_view bytes) const {
        static_cast<void>(::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
    }
    // Lets the face do what it has to, and reads what it answers.
    void turn(std::uint64_t patience_us) {
        while (sd_event_run(loop->get(), patience_us) > 0) continue;
        char part[4096];
        for (ssize_t n = 0; client && (n = ::recv(client.get(), part, sizeof part, 0)) > 0;)
            heard.append(part, static_cast<std::size_t>(n));
    }
    // As Faces does.
    void closed(const std::string& mode, std::uint32_t id, Reason reason) override {
        World::closed(mode, id, reason);
        if (face && mode == "anna") face->closed(id, reason);
    }
    void invoked(const std::string& mode, std::uint32_t id, const std::string& action) override {
        World::invoked(mode, id, action);
        if (face && mode == "anna") face->invoked(id, action);
    }
    void changed() override {
        World::changed();
        if (face) face->look_at_others();
    }

    std::string dir;
    std::unique_ptr<ModeFace> face;
    UniqueFd client;
    std::string heard;
};

}  // namespace pmos::notify
