// oci: a systemd scope in words: its name and slice, limits as its properties, and the command line
// of pmos-oci-systemd. Speaks to nobody.
#include "runtime/oci/scope.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace pmos::oci {
namespace {

constexpr auto kInfinity = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kMaxUnitName = 255;  // UNIT_NAME_MAX without its end
constexpr std::uint64_t kPerCent = 10000;  // of a second, in us
constexpr std::uint64_t kSecond = 1000000;
constexpr std::uint32_t kMaxBit = 8191;  // CONFIG_NR_CPUS on the largest

struct Row {
    std::string_view file, property;
};
constexpr std::array kNumbers{
    Row{"memory.min", "MemoryMin"},   Row{"memory.low", "MemoryLow"},
    Row{"memory.high", "MemoryHigh"}, Row{"memory.max", "MemoryMax"},
    Row{"pids.max", "TasksMax"},      Row{"memory.swap.max", "MemorySwapMax"},
    Row{"cpu.weight", "CPUWeight"},   Row{"io.weight", "IOWeight"},
};
constexpr std::array kSets{
    Row{"cpuset.cpus", "AllowedCPUs"},  // since systemd 244
    Row{"cpuset.mems", "AllowedMemoryNodes"},
};
constexpr std::string_view kQuota = "CPUQuotaPerSecUSec";
constexpr std::string_view kPeriod = "CPUQuotaPeriodUSec";  // since systemd 242

std::string_view trimmed(std::string_view text) {
    const auto from = text.find_first_not_of(" \t\n");
    if (from == text.npos) return {};
    return text.substr(from, text.find_last_not_of(" \t\n") - from + 1);
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// As the kernel reads them (memparse): "1G" as well, and "max".
std::optional<std::uint64_t> size_of(std::string_view text) {
    if (text == "max") return kInfinity;
    constexpr std::string_view kUnits = "KMGTPE";
    const char last = text.empty() ? '\0' : static_cast<char>(text.back() & ~0x20);
    const auto unit = kUnits.find(last);
    if (unit == kUnits.npos || last == '\0') return whole_number(text);
    text.remove_suffix(1);
    const auto value = whole_number(text);
    const auto shift = 10 * (unit + 1);
    if (!value || *value > kInfinity >> shift) return std::nullopt;
    return *value << shift;
}

std::string assignment(std::string_view name, std::uint64_t value) {
    return value == kInfinity ? fmt::format("{}=infinity", name)
                              : fmt::format("{}={}", name, value);
}

std::unexpected<Error> unreadable(const policy::CgroupLimit& limit) {
    return fail(Code::usage,
                fmt::format("cannot tell systemd of '{}'",
                            limit.pointer.empty() ? limit.file : limit.pointer),
                fmt::format("'{}' is no value of '{}'", limit.value, limit.file));
}

// "QUOTA PERIOD" in us. systemd keeps a quota as whole per cent of a processor: rounded up, so that
// cgroups below it may still have what was asked for.
bool add_quota(std::string_view value, std::vector<std::string>& out) {
    const auto space = std::min(value.find(' '), value.size());
    const auto quota = size_of(value.substr(0, space));
    const auto rest = trimmed(value.substr(space));
    const auto period = rest.empty() ? std::optional<std::uint64_t>(100000) : whole_number(rest);
    if (!quota || !period || *period == 0 || (*quota != kInfinity && *quota > kInfinity / kSecond))
        return false;
    if (*quota == kInfinity) {
        out.push_back(assignment(kQuota, kInfinity));
    } else {
        const std::uint64_t per_second = *quota * kSecond / *period;
        out.push_back(assignment(kQuota, (per_second + kPerCent - 1) / kPerCent * kPerCent));
    }
    if (!rest.empty()) out.push_back(assignment(kPeriod, *period));
    return true;
}

// "0-3,7" as bits, the first processor in the lowest bit of the first byte.
std::optional<std::vector<std::uint8_t>> bits_of(std::string_view list) {
    std::vector<std::uint8_t> bits;
    for (std::size_t at = 0; at < list.size();) {
        const auto end = std::min(list.find(',', at), list.size());
        const auto part = trimmed(list.substr(at, end - at));
        at = end + 1;
        if (part.empty()) continue;
        const auto dash = part.find('-');
        const auto first = whole_number(part.substr(0, dash));
        const auto last = dash == part.npos ? first : whole_number(part.substr(dash + 1));
        if (!first || !last || *first > *last || *last > kMaxBit) return std::nullopt;
        if (bits.size() <= *last / 8) bits.resize(*last / 8 + 1);
        for (auto i = *first; i <= *last; ++i)
            bits[i / 8] = static_cast<std::uint8_t>(bits[i / 8] | 1U << i % 8);
    }
    return bits;
}

bool is_unit_character(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view(":-_.\\").find(c) != std::string_view::npos;
}

std::string escaped(std::string_view name) {
    std::string out;
    for (const char c : name)
        out += is_unit_character(c) ? std::string(1, c)
                                    : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    return out;
}

bool is_unit(std::string_view name, std::string_view kind) {
    return name.size() > kind.size() && name.size() <= kMaxUnitName && name.ends_with(kind) &&
           std::ranges::all_of(name, is_unit_character);
}

Result<void> check_scope(const Scope& scope) {
    if (!scope.slice.empty() && !is_unit(scope.slice, ".slice"))
        return fail(Code::usage, fmt::format("'{}' is no slice of systemd", scope.slice), "",
                    "its name ends with '.slice'");
    if (!is_unit(scope.name, ".scope"))
        return fail(Code::usage, fmt::format("'{}' is no scope of systemd", scope.name), "",
                    "its name ends with '.scope' and has at most 255 characters");
    return {};
}

}  // namespace

Result<Scope> scope_of(std::string_view cgroups_path, std::string_view id, bool of_user) {
    Scope scope{of_user ? "user.slice" : "system.slice", fmt::format("pmos-{}.scope", escaped(id))};
    if (!cgroups_path.empty()) {
        const auto first = cgroups_path.find(':');
        const auto second = first == cgroups_path.npos ? first : cgroups_path.find(':', first + 1);
        if (second == cgroups_path.npos || cgroups_path.find(':', second + 1) != cgroups_path.npos)
            return fail(Code::usage,
                        fmt::format("'/linux/cgroupsPath' is '{}', which is no place of the "
                                    "systemd manager",
                                    cgroups_path),
                        "", "write 'SLICE:PREFIX:NAME', or use the cgroupfs manager");
        const auto prefix = cgroups_path.substr(first + 1, second - first - 1);
        const auto name = cgroups_path.substr(second + 1);
        if (name.ends_with(".slice"))
            return fail(Code::unsupported,
                        fmt::format("'/linux/cgroupsPath' names '{}', a slice", name),
                        "a container is a scope", "name it without '.slice'");
        if (first != 0) scope.slice = cgroups_path.substr(0, first);
        scope.name = escaped(prefix) + (prefix.empty() ? "" : "-") + escaped(name) + ".scope";
    }
    PMOS_TRY(check_scope(scope));
    return scope;
}

Result<std::vector<std::string>> scope_properties(const std::vector<policy::CgroupLimit>& limits) {
    std::vector<std::string> out;
    for (const auto& limit : limits) {
        auto value = trimmed(limit.value);
        if (limit.file == "cpu.max") {
            if (!add_quota(value, out)) return unreadable(limit);
            continue;
        }
        if (const auto row = std::ranges::find(kNumbers, limit.file, &Row::file);
            row != kNumbers.end()) {
            if (value.starts_with("default ")) value = trimmed(value.substr(8));
            // One device's weight: in the file only.
            if (limit.file == "io.weight" && value.find(':') != value.npos) continue;
            const auto number = size_of(value);
            if (!number) return unreadable(limit);
            out.push_back(assignment(row->property, *number));
        }
        if (const auto row = std::ranges::find(kSets, limit.file, &Row::file); row != kSets.end()) {
            if (!bits_of(value)) return unreadable(limit);
            out.push_back(fmt::format("{}={}", row->property, value));
        }
    }
    return out;
}

Result<ScopeProperty> parse_scope_property(std::string_view text) {
    const auto equals = text.find('=');
    ScopeProperty property;
    property.name = text.substr(0, equals);
    property.is_set = std::ranges::find(kSets, property.name, &Row::property) != kSets.end();
    const bool known = property.is_set || property.name == kQuota || property.name == kPeriod ||
                       std::ranges::find(kNumbers, property.name, &Row::property) != kNumbers.end();
    if (equals == text.npos || !known)
        return fail(Code::usage, fmt::format("'{}' is no property of a scope", text), "",
                    "properties are 'MemoryMax=NUMBER', 'AllowedCPUs=LIST' and the like");
    const auto value = text.substr(equals + 1);
    if (property.is_set) {
        auto bits = bits_of(value);
        if (!bits) return fail(Code::usage, fmt::format("'{}' has no list of numbers", text));
        property.bits = std::move(*bits);
        return property;
    }
    const auto number = value == "infinity" ? kInfinity : whole_number(value);
    if (!number) return fail(Code::usage, fmt::format("'{}' has no number", text));
    property.number = *number;
    return property;
}

Result<ScopeCommand> parse_scope_command(std::span<const std::string> args) {
    ScopeCommand command;
    if (!args.empty() && args.front() == "--user") {
        command.of_user = true;
        args = args.subspan(1);
    }
    const std::string_view verb = args.empty() ? std::string_view() : args.front();
    std::size_t properties_at = args.size();
    if (verb == "start" && args.size() >= 5) {
        command.verb = ScopeCommand::Verb::start;
        command.scope = {args[1], args[2]};
        const auto pid = whole_number(args[3]);
        if (!pid || *pid == 0 || *pid > std::numeric_limits<std::int32_t>::max())
            return fail(Code::usage, fmt::format("'{}' is no process", args[3]));
        command.pid = static_cast<std::uint32_t>(*pid);
        command.description = args[4];
        properties_at = 5;
    } else if (verb == "set" && args.size() >= 3) {
        command.verb = ScopeCommand::Verb::set;
        command.scope.name = args[1];
        properties_at = 2;
    } else if (verb == "stop" && args.size() == 2) {
        command.verb = ScopeCommand::Verb::stop;
        command.scope.name = args[1];
    } else {
        return fail(Code::usage, "nothing to do", "",
                    "[--user] start SLICE SCOPE PID DESCRIPTION [PROPERTY...], "
                    "set SCOPE PROPERTY..., stop SCOPE");
    }
    PMOS_TRY(check_scope(command.scope));
    if (command.verb == ScopeCommand::Verb::start && command.scope.slice.empty())
        return fail(Code::usage, "no slice is named");
    for (const auto& text : args.subspan(properties_at)) {
        PMOS_ASSIGN(auto property, parse_scope_property(text));
        command.properties.push_back(std::move(property));
    }
    return command;
}

}  // namespace pmos::oci
