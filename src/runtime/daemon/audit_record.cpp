// daemon: what one audit record of the kernel says of a denial. Pure.
#include "runtime/daemon/audit_record.h"

#include <linux/audit.h>

#include <charconv>

namespace pmos::daemon {
namespace {

// The value of " key=", as it stands there. A quoted one holds no quote: the kernel writes what
// does as hexadecimal.
std::string_view raw_value(std::string_view text, std::string_view key) {
    for (auto at = text.find(key); at != text.npos; at = text.find(key, at + 1)) {
        const auto after = at + key.size();
        if ((at != 0 && text[at - 1] != ' ') || after >= text.size() || text[after] != '=')
            continue;
        auto value = text.substr(after + 1);
        if (value.starts_with('"')) return value.substr(0, value.find('"', 1) + 1);
        return value.substr(0, value.find(' '));
    }
    return {};
}

template <class T>
bool number(std::string_view text, std::string_view key, T& out, int base = 10) {
    auto value = raw_value(text, key);
    if (base == 16 && value.starts_with("0x")) value.remove_prefix(2);
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out, base);
    return error == std::errc() && end == value.data() + value.size() && !value.empty();
}

std::string string(std::string_view text, std::string_view key) {
    const auto value = raw_value(text, key);
    if (value.size() >= 2 && value.front() == '"')
        return std::string(value.substr(1, value.size() - 2));
    std::string bytes;
    for (std::size_t i = 0; i + 1 < value.size(); i += 2) {
        unsigned byte = 0;
        const auto pair = value.substr(i, 2);
        const auto [end, error] = std::from_chars(pair.data(), pair.data() + 2, byte, 16);
        if (error != std::errc() || end != pair.data() + 2) return std::string(value);
        bytes += static_cast<char>(byte);
    }
    return bytes;
}

}  // namespace

std::optional<std::uint32_t> user_of_record(std::string_view text) {
    std::uint32_t uid = 0;
    if (number(text, "uid", uid) || number(text, "fsuid", uid)) return uid;
    return std::nullopt;
}

std::optional<AuditRecord> parse_audit_record(std::uint16_t type, std::string_view text) {
    AuditRecord record;
    if (!number(text, "pid", record.pid)) return std::nullopt;
    record.program = string(text, "comm");
    if (type == AUDIT_SECCOMP) {
        record.layer = AuditRecord::Layer::seccomp;
        std::int64_t call = 0;  // printed as a signed number
        if (!number(text, "uid", record.uid) || !number(text, "sig", record.signal) ||
            !number(text, "arch", record.arch, 16) || !number(text, "syscall", call) ||
            !number(text, "code", record.action, 16))
            return std::nullopt;
        record.syscall = static_cast<std::uint32_t>(call);
        return record;
    }
    if (type != AUDIT_AVC || raw_value(text, "apparmor") != "\"DENIED\"") return std::nullopt;
    record.layer = AuditRecord::Layer::apparmor;
    record.operation = string(text, "operation");
    record.object = string(text, "name");
    record.denied = string(text, "denied_mask");
    // Only records about files name a user; the others (signal, ptrace, ...) name the label alone.
    if (!number(text, "fsuid", record.uid)) return std::nullopt;
    return record;
}

}  // namespace pmos::daemon
