// test double: the network of a mode. "secure" has a tunnel and its key, "personal" a wire and no
// key. For unit tests only.
#include <ctime>
#include <string_view>

#include "fake_service.h"

namespace pmos::cli::fake {
namespace {

bool has_key(sd_bus_message* m) { return mode_name(sd_bus_message_get_path(m)) == "secure"; }

int status_method(sd_bus_message* m, void*, sd_bus_error*) {
    const auto none = std::uint64_t{0};
    const std::string name = mode_name(sd_bus_message_get_path(m));
    if (name == "personal")
        return sd_bus_reply_method_return(m, "sssstttta(sstt)", "direct", "lost", "pmos0",
                                          "somebody changed its rules\x1b[2J", none, none, none,
                                          none, 0);
    if (name != "secure")
        return sd_bus_reply_method_return(m, "sssstttta(sstt)", "none", "down", "", "", none, none,
                                          none, none, 0);
    const auto now = static_cast<std::uint64_t>(std::time(nullptr));
    return sd_bus_reply_method_return(
        m, "sssstttta(sstt)", "tunnel", "up", "pmos0", "", std::uint64_t{2048}, std::uint64_t{1024},
        std::uint64_t{3 << 20}, std::uint64_t{3 << 20}, 2, "peer+key=", "192.0.2.1:51820", now - 65,
        std::uint64_t{512}, "other=", "", none, none);
}

// What "secure" sends grows from one look to the next.
int connections_method(sd_bus_message* m, void*, sd_bus_error* error) {
    static std::uint64_t sent = 0;
    if (mode_name(sd_bus_message_get_path(m)) != "secure")
        return sd_bus_error_set(error, "org.pmos.Error.NotRunning", "the mode has no network now");
    sent += 4096;
    return sd_bus_reply_method_return(m, "a(sssqsutt)t", 3, "out", "tcp", "2001:db8::1", 443, "",
                                      2U, sent, std::uint64_t{8192}, "in", "tcp", "192.0.2.9", 22,
                                      "", 1U, std::uint64_t{10}, std::uint64_t{20}, "out", "icmp",
                                      "192.0.2.1", 0, "far.example\x1b[2J", 1U, std::uint64_t{64},
                                      std::uint64_t{64}, std::uint64_t{7});
}

int replace_method(sd_bus_message* m, const char* key, sd_bus_error* error) {
    int replaces = 0;
    if (const int r = sd_bus_message_read(m, "b", &replaces); r < 0) return r;
    if (has_key(m) && replaces == 0)
        return sd_bus_error_set(error, "org.pmos.Error.AlreadyExists", "there is one");
    return sd_bus_reply_method_return(m, "s", key);
}

int make_method(sd_bus_message* m, void*, sd_bus_error* error) {
    return replace_method(m, "made+public=", error);
}

int import_method(sd_bus_message* m, void*, sd_bus_error* error) {
    int fd = -1;
    if (const int r = sd_bus_message_read(m, "h", &fd); r < 0) return r;
    if (read_all(fd) != "private+key=")
        return sd_bus_error_set(error, "org.pmos.Error.InvalidArgument", "this is no key");
    return replace_method(m, "imported+public=", error);
}

int preshared_method(sd_bus_message* m, void*, sd_bus_error* error) {
    const char* peer = nullptr;
    int fd = -1, replaces = 0;
    if (const int r = sd_bus_message_read(m, "shb", &peer, &fd, &replaces); r < 0) return r;
    if (read_all(fd) != "shared+key=")
        return sd_bus_error_set(error, "org.pmos.Error.InvalidArgument", "this is no key");
    if (has_key(m) && replaces == 0)
        return sd_bus_error_set(error, "org.pmos.Error.AlreadyExists", "there is one");
    return sd_bus_reply_method_return(m, "s", peer);
}

int public_method(sd_bus_message* m, void*, sd_bus_error* error) {
    if (has_key(m)) return sd_bus_reply_method_return(m, "s", "old+public=");
    return sd_bus_error_set(error, "org.pmos.Error.NotFound",
                            "no key\nhint: make one with: pmosctl net key personal --new");
}

const sd_bus_vtable kTable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Status", "", "sssstttta(sstt)", status_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Connections", "", "a(sssqsutt)t", connections_method,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("MakeKey", "b", "s", make_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ImportKey", "hb", "s", import_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ImportPresharedKey", "shb", "s", preshared_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("PublicKey", "", "s", public_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END};

}  // namespace

const sd_bus_vtable* network_table() { return kTable; }

}  // namespace pmos::cli::fake
