// modem: whose a call or a message is, by the policy's table. Pure: no bus, no file, no clock.
#include "runtime/modem/ownership.h"

#include <algorithm>

namespace pmos::modem {
namespace {

constexpr std::size_t kLongest = 20;  // E.164 has 15 digits, and some networks prefix them
constexpr unsigned kExact = 1000;

bool claims(const ModeRights& mode, const LineNames& line) {
    return std::ranges::any_of(mode.lines, [&](const std::string& name) {
        return name == line.device || std::ranges::any_of(line.numbers, [&](const auto& own) {
                   return plain_number(own) == name;
               });
    });
}

// Whose it is; of what two claim alike it is nobody's, for no order of theirs decides.
struct Claim {
    const ModeRights* whose = nullptr;
    bool disputed = false;

    bool any() const { return whose != nullptr || disputed; }
    void add(const ModeRights& mode) {
        disputed = disputed || (whose != nullptr && whose != &mode);
        whose = disputed ? nullptr : &mode;
    }
};

Claim by_number(const Table& table, std::string_view number) {
    Claim best;
    unsigned how_well = 0;
    for (const auto& mode : table.modes)
        for (const auto& rule : mode.numbers) {
            const auto match = rule_matches(rule, number);
            if (match == 0 || match < how_well) continue;
            if (match > how_well) best = {};
            how_well = match;
            best.add(mode);
        }
    return best;
}

Claim by_line(const Table& table, const LineNames& line) {
    Claim claim;
    for (const auto& mode : table.modes)
        if (claims(mode, line)) claim.add(mode);
    return claim;
}

}  // namespace

std::string plain_number(std::string_view number) {
    std::string out;
    for (const char c : number)
        if (std::string_view(" -()./").find(c) == std::string_view::npos) out += c;
    return out;
}

bool is_dialable(std::string_view number) {
    if (number.starts_with('+')) number.remove_prefix(1);
    return !number.empty() && number.size() <= kLongest &&
           number.find_first_not_of("0123456789*#") == std::string_view::npos;
}

bool is_emergency(std::string_view number, const std::vector<std::string>& more) {
    return number == "112" || number == "911" || std::ranges::find(more, number) != more.end();
}

bool is_emergency_without_sim(std::string_view number) {
    constexpr std::string_view kNumbers[] = {"000", "08", "110", "118", "119", "999"};
    return std::ranges::find(kNumbers, number) != std::end(kNumbers);
}

unsigned rule_matches(std::string_view rule, std::string_view number) {
    if (rule.empty() || number.empty()) return 0;
    if (!rule.ends_with('*')) return rule == number ? kExact : 0;
    rule.remove_suffix(1);
    return number.starts_with(rule) ? static_cast<unsigned>(rule.size()) : 0;
}

const ModeRights* find_mode(const Table& table, std::string_view name) {
    const auto it = std::ranges::find(table.modes, name, &ModeRights::name);
    return it == table.modes.end() ? nullptr : &*it;
}

bool has_right(const ModeRights& mode, Service service) {
    if (service == Service::data) return mode.data;
    return service == Service::sms ? mode.sms : mode.voice;
}

bool has_any(const ModeRights& mode) {
    return mode.sms || mode.voice || mode.emergency || mode.data;
}

bool may_use(const Table& table, std::string_view mode, const LineNames& line) {
    const auto claim = by_line(table, line);
    return !claim.any() || (claim.whose != nullptr && claim.whose->name == mode);
}

std::string owner_of_data(const Table& table, std::string_view access_point) {
    const ModeRights* whose = nullptr;
    for (const auto& mode : table.modes) {
        if (std::ranges::find(mode.access_points, access_point) == mode.access_points.end())
            continue;
        if (whose != nullptr) return "";
        whose = &mode;
    }
    return whose != nullptr && whose->data ? whose->name : "";
}

std::string owner_of(const Table& table, Service service, std::string_view number,
                     const LineNames& line) {
    const auto plain = plain_number(number);
    auto claim = by_number(table, plain);
    if (!claim.any()) claim = by_line(table, line);
    if (claim.disputed) return "";
    if (claim.whose != nullptr) return has_right(*claim.whose, service) ? claim.whose->name : "";
    if (service == Service::voice)
        for (const auto& mode : table.modes)
            if (mode.foreground && mode.voice) return mode.name;
    const ModeRights* whose = find_mode(table, table.fallback);
    return whose != nullptr && has_right(*whose, service) ? whose->name : "";
}

}  // namespace pmos::modem
