// test double: who can open a volume. For unit tests only.
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "fake_service.h"

namespace pmos::cli::fake {

std::string read_all(int fd) {
    std::string out;
    char buffer[256];
    for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof buffer)) > 0;)
        out.append(buffer, static_cast<std::size_t>(n));
    return out;
}

int list_factors_method(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(
        m, "a{ss}", 12, "unlock", "pin|recovery-key", "escrow", "00112233445566778899",  //
        "keyslot.0.method", "pin", "keyslot.0.allowed", "yes",                           //
        "keyslot.2.method", "systemd-\x1b[2J", "keyslot.2.allowed", "no", "keyslot.2.refusal",
        "the profile does not let it", "keyslot.12.method", "escrow", "keyslot.12.allowed", "yes",
        "keyslot.12.token", "pmos-escrow", "keyslot.12.since", "2026-01-02T03:04:05Z",
        "keyslot.12.key", "00112233445566778899");
}

// The recovery key goes into the pipe and nowhere else.
int enroll_factor_method(sd_bus_message* m, void*, sd_bus_error* error) {
    const char *volume = nullptr, *method = nullptr;
    int secret = -1, other = -1;
    int r = sd_bus_message_read(m, "ssh", &volume, &method, &secret);
    if (r >= 0) r = sd_bus_message_enter_container(m, 'a', "h");
    if (r > 0 && sd_bus_message_at_end(m, 0) == 0) r = sd_bus_message_read(m, "h", &other);
    if (r < 0) return r;
    if (read_all(secret) != kPin)
        return sd_bus_error_set(error, "org.pmos.Error.WrongSecret", "wrong PIN");
    const std::string_view name(method);
    if (name == "recovery-key" && ::write(other, "cbde-fghi", 9) != 9) return -errno;
    if (name == "pin" && read_all(other) != "13579") return -EINVAL;
    if ((name == "escrow") != (other < 0)) return -EINVAL;
    return sd_bus_reply_method_return(m, "a{ss}", 1, "keyslot", "1");
}

int factor_method(sd_bus_message* m, void*, sd_bus_error* error) {
    const char *volume = nullptr, *which = nullptr;
    int secret = -1;
    if (const int r = sd_bus_message_read(m, "ssh", &volume, &which, &secret); r < 0) return r;
    if (read_all(secret) != kPin)
        return sd_bus_error_set(error, "org.pmos.Error.WrongSecret", "wrong PIN");
    if (std::string_view(which) == "pin")
        return sd_bus_error_set(error, "org.freedesktop.DBus.Error.AccessDenied", "the last way");
    return sd_bus_reply_method_return(m, "a{ss}", 2, "method", "escrow", "keyslot", "12");
}

int list_fingers_method(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(m, "as", 2, "right-index-finger", "left-thumb\x1b[2J");
}

int finger_method(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(m, nullptr);
}

int enroll_finger_method(sd_bus_message* m, void*, sd_bus_error* error) {
    const char* finger = nullptr;
    int secret = -1;
    if (const int r = sd_bus_message_read(m, "sh", &finger, &secret); r < 0) return r;
    if (read_all(secret) != kPin)
        return sd_bus_error_set(error, "org.pmos.Error.WrongSecret", "wrong PIN");
    if (std::string_view(finger) != "left-thumb") return -EINVAL;
    return sd_bus_reply_method_return(m, nullptr);
}

int remove_fingers_method(sd_bus_message* m, void*, sd_bus_error* error) {
    int secret = -1;
    if (const int r = sd_bus_message_read(m, "h", &secret); r < 0) return r;
    if (read_all(secret) != kPin)
        return sd_bus_error_set(error, "org.pmos.Error.WrongSecret", "wrong PIN");
    return sd_bus_reply_method_return(m, nullptr);
}

}  // namespace pmos::cli::fake
