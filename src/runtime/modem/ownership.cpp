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

const ModeRights* by_number(const Table& table, std::string_view number) {
    const ModeRights* best = nullptr;
    unsigned how_well = 0;
    for (const auto& mode : table.modes)
        for (const auto& rule : mode.numbers)
            if (const auto match = rule_matches(rule, number); match > how_well) {
                best = &mode;
                how_well = match;
            }
    return best;
}

const ModeRights* claimant(const Table& table, const LineNames& line) {
    const auto it = std::ranges::find_if(
        table.modes, [&](const ModeRights& mode) { return claims(mode, line); });
    return it == table.modes.end() ? nullptr : &*it;
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
    return service == Service::sms ? mode.sms : mode.voice;
}

bool may_use(const Table& table, std::string_view mode, const LineNames& line) {
    const ModeRights* whose = claimant(table, line);
    return whose == nullptr || whose->name == mode;
}

std::string owner_of(const Table& table, Service service, std::string_view number,
                     const LineNames& line) {
    const auto plain = plain_number(number);
    const ModeRights* whose = by_number(table, plain);
    if (whose == nullptr) whose = claimant(table, line);
    if (whose != nullptr) return has_right(*whose, service) ? whose->name : "";
    if (service == Service::voice)
        for (const auto& mode : table.modes)
            if (mode.foreground && mode.voice) return mode.name;
    whose = find_mode(table, table.fallback);
    return whose != nullptr && has_right(*whose, service) ? whose->name : "";
}

}  // namespace pmos::modem
