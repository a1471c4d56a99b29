// test double: the volumes of a mode. For unit tests only.
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string_view>

#include "fake_service.h"

namespace pmos::cli::fake {
namespace {

int volumes_method(sd_bus_message* m, void*, sd_bus_error*) {
    if (mode_name(sd_bus_message_get_path(m)) != "secure")
        return sd_bus_reply_method_return(m, "aa{ss}", 0);
    return sd_bus_reply_method_return(m, "aa{ss}", 1, 5, "name", "data", "state", "closed",
                                      "target", "/data", "cipher", "aes-xts-plain64", "fileSize",
                                      "2147483648");
}

int volume_info_method(sd_bus_message* m, void*, sd_bus_error* error) {
    const char* volume = nullptr;
    if (const int r = sd_bus_message_read(m, "s", &volume); r < 0) return r;
    if (std::string_view(volume) != "data")
        return sd_bus_error_set(error, "org.pmos.Error.NotFound", "no volume\nhint: it has: data");
    return sd_bus_reply_method_return(
        m, "a{ss}", 13, "state", "open", "uuid", "u-u", "cipher", "aes-xts-plain64", "keyBits",
        "512", "sectorSize", "4096", "size", "2130706432", "used", "118489088", "integrity", "none",
        "keyslot.0.kdf", "argon2id", "keyslot.0.memory", "268435456", "keyslot.0.iterations", "4",
        "keyslot.0.priority", "normal", "token.0", "pmos\x1b[2J");
}

int change_secret_method(sd_bus_message* m, void*, sd_bus_error* error) {
    const char* volume = nullptr;
    int old = -1, fresh = -1;
    if (const int r = sd_bus_message_read(m, "shh", &volume, &old, &fresh); r < 0) return r;
    if (read_all(old) != kPin)
        return sd_bus_error_set(error, "org.pmos.Error.WrongSecret", "wrong PIN");
    if (read_all(fresh) != "13579")
        return sd_bus_error_set(error, "org.pmos.Error.InvalidArgument", "not the new PIN");
    return sd_bus_reply_method_return(m, nullptr);
}

int duress_method(sd_bus_message* m, void*, sd_bus_error* error) {
    const char* volume = nullptr;
    int right = -1, duress = -1;
    const bool sets = std::string_view(sd_bus_message_get_member(m)) == "SetDuress";
    int r = sd_bus_message_read(m, "sh", &volume, &right);
    if (r >= 0 && sets) r = sd_bus_message_read(m, "h", &duress);
    if (r < 0) return r;
    if (read_all(right) != kPin)
        return sd_bus_error_set(error, "org.pmos.Error.WrongSecret", "wrong PIN");
    if (sets && read_all(duress) != "97531")
        return sd_bus_error_set(error, "org.pmos.Error.InvalidArgument", "not the duress PIN");
    return sd_bus_reply_method_return(m, nullptr);
}

int backup_method(sd_bus_message* m, void*, sd_bus_error* error) {
    const char* volume = nullptr;
    int fd = -1;
    if (const int r = sd_bus_message_read(m, "sh", &volume, &fd); r < 0) return r;
    if (std::string_view(volume) != "data")
        return sd_bus_error_set(error, "org.pmos.Error.NotFound", "no volume");
    return ::write(fd, "header", 6) == 6 ? sd_bus_reply_method_return(m, nullptr) : -errno;
}

int restore_method(sd_bus_message* m, void*, sd_bus_error* error) {
    const char* volume = nullptr;
    int fd = -1;
    if (const int r = sd_bus_message_read(m, "sh", &volume, &fd); r < 0) return r;
    if (read_all(fd) != "header")
        return sd_bus_error_set(error, "org.freedesktop.DBus.Error.AccessDenied",
                                "the backup is of another volume");
    return sd_bus_reply_method_return(m, nullptr);
}

int resize_method(sd_bus_message* m, void*, sd_bus_error* error) {
    const char* volume = nullptr;
    std::uint64_t size = 0;
    int fd = -1;
    if (const int r = sd_bus_message_read(m, "sth", &volume, &size, &fd); r < 0) return r;
    if (read_all(fd) != kPin)
        return sd_bus_error_set(error, "org.pmos.Error.WrongSecret", "wrong PIN");
    if (size != 4ULL << 30)
        return sd_bus_error_set(error, "org.pmos.Error.Unsupported", "it cannot become smaller");
    return sd_bus_reply_method_return(m, nullptr);
}

int wipe_free_method(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(m, nullptr);
}

int trim_method(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(m, "a{ss}", 1, "trimmed", "3145728");
}

int reencrypt_method(sd_bus_message* m, void*, sd_bus_error* error) {
    const char* volume = nullptr;
    int fd = -1;
    if (const int r = sd_bus_message_read(m, "sh", &volume, &fd); r < 0) return r;
    if (read_all(fd) != kPin)
        return sd_bus_error_set(error, "org.pmos.Error.WrongSecret", "wrong PIN");
    return sd_bus_reply_method_return(m, nullptr);
}

constexpr sd_bus_vtable kTable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Reencrypt", "sh", "", reencrypt_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ListFactors", "s", "a{ss}", list_factors_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("EnrollFactor", "sshah", "a{ss}", enroll_factor_method,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("RemoveFactor", "ssh", "a{ss}", factor_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("TestFactor", "ssh", "a{ss}", factor_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Resize", "sth", "", resize_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("WipeFree", "s", "", wipe_free_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Trim", "s", "a{ss}", trim_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("List", "", "aa{ss}", volumes_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Info", "s", "a{ss}", volume_info_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ChangeSecret", "shh", "", change_secret_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("SetDuress", "shh", "", duress_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("RemoveDuress", "sh", "", duress_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("BackupHeader", "sh", "", backup_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("RestoreHeader", "sh", "", restore_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END};

}  // namespace

const sd_bus_vtable* volumes_table() { return kTable; }

}  // namespace pmos::cli::fake
