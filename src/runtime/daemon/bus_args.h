// daemon: what the methods of several interfaces read out of a message. Never reads a secret.
#pragma once

#include <fcntl.h>
#include <systemd/sd-bus.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/daemon/bus.h"

namespace pmos::daemon {

inline Bus& bus_of(void* userdata) { return static_cast<ModeObject*>(userdata)->bus; }
inline Mode& mode_of(void* userdata) { return static_cast<ModeObject*>(userdata)->mode; }

inline UniqueFd duplicate(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

// Calls visit(key) for every entry of an a{sv}; visit reads the variant and says whether it knew
// the key. An unknown option is an error: nothing is accepted and ignored.
template <class Visit>
int read_options(sd_bus_message* message, sd_bus_error* error, Visit visit) {
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");
    if (r < 0) return r;
    while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        const char* key = nullptr;
        if ((r = sd_bus_message_read(message, "s", &key)) < 0) return r;
        if ((r = visit(std::string_view(key))) < 0) return r;
        if (r == 0)
            return sd_bus_error_setf(error, code_info(Code::usage).bus_name.data(),
                                     "unknown option '%s'", key);
        if ((r = sd_bus_message_exit_container(message)) < 0) return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

using event::read_strings;

template <class T>
int read_basic(sd_bus_message* message, const char* type, T& out) {
    const int r = sd_bus_message_read(message, "v", type, &out);
    return r < 0 ? r : 1;
}

inline int read_fd(sd_bus_message* message, UniqueFd& out) {
    int fd = -1;
    const int r = sd_bus_message_read(message, "h", &fd);
    if (r < 0) return r;
    out = duplicate(fd);
    return out ? 0 : -errno;
}

// a{ss}
int append_details(sd_bus_message* reply, const Details& details);

}  // namespace pmos::daemon
